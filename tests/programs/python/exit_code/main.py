import argparse
import atexit
import sys

atexit.register(lambda: print("cleaned up"))


def main(argv):
    parser = argparse.ArgumentParser(prog="tool")
    parser.add_argument("--level", type=int, default=1)
    options = parser.parse_args(argv)
    print("level", options.level)
    try:
        parser.parse_args(["--level", "high"])
    except SystemExit as stop:
        return 40 + stop.code


sys.exit(main(["--level", "3"]))
