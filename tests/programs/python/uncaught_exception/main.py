import contextlib


class OutOfStock(Exception):
    def __init__(self, name, wanted):
        super().__init__(f"{name}: wanted {wanted}")


@contextlib.contextmanager
def order(name):
    print("open", name)
    try:
        yield {"name": name}
    finally:
        print("close", name)


def ship(count):
    stock = {"bolt": 3}
    try:
        return stock["nut"] - count
    except KeyError as missing:
        raise OutOfStock("nut", count) from missing


with order("A-1"):
    ship(5)
