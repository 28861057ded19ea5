import sys


def greet(name)
    return f"hello {name}"


print(greet("world"), file=sys.stdout)
