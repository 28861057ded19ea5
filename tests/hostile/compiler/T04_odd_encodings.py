# tries = "an encoding that does not exist, then one that runs code"
# verdict = "ok"
# expect = { "encoding" = "SyntaxError|LookupError|ValueError", "long line" = "ok", "nul" = "SyntaxError|ValueError", "bom" = "ok|SyntaxError" }
def parse(step, source):
    try:
        compile(source, "x", "exec")
        say(step, "ok")
    except (SyntaxError, LookupError, ValueError) as error:
        say(step, type(error).__name__)


parse("encoding", b"# coding: nothing\nx = 1\n")
parse("encoding", b"# coding: zlib\nx = 1\n")
parse("nul", b"x = 1\0\n")
parse("long line", b"x = '" + b"a" * (1 << 20) + b"'\n")
parse("bom", b"\xef\xbb\xbf# coding: utf-8\nx = 1\n")
