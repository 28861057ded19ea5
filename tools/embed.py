"""Writes a C++ header with files as strings: embed.py HEADER NAMESPACE NAME=FILE...

YAML becomes compact JSON. Used by CMakeLists.txt.
"""

import json
import pathlib
import sys

import yaml

# Compilers take string literals of this size at least; a longer text is several.
PIECE = 16_000


def text_of(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        return json.dumps(yaml.safe_load(text), ensure_ascii=False, separators=(",", ":"))
    return text


def literal(text):
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)] or [""]
    for piece in pieces:
        if ')embed"' in piece:
            sys.exit('embed.py: a file has )embed" in it')
    return "\n    ".join(f'R"embed({piece})embed"' for piece in pieces)


def main():
    header, namespace, *files = sys.argv[1:]
    out = f"#pragma once\n\nnamespace {namespace} {{\n"
    for name, path in (file.split("=", 1) for file in files):
        out += f"\ninline constexpr char {name}[] =\n    {literal(text_of(pathlib.Path(path)))};\n"
    out += f"\n}}  // namespace {namespace}\n"
    target = pathlib.Path(header)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(out, encoding="utf-8")


if __name__ == "__main__":
    main()
