"""Names source files that have grown past the size at which a split is due. Never fails."""

import pathlib

LINES = 500

root = pathlib.Path(__file__).resolve().parent.parent
for path in sorted((root / "src").rglob("*")):
    if path.suffix in (".h", ".cc"):
        count = path.read_text(encoding="utf-8").count("\n")
        if count > LINES:
            print(f"{path.relative_to(root)}: warning: {count} lines, more than {LINES}")
