from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import Iterator


class Kind(enum.Enum):
    FRUIT = "fruit"
    TOOL = "tool"


@dataclass(order=True, frozen=True)
class Item:
    sort_key: tuple = field(init=False, repr=False, compare=True)
    name: str
    kind: Kind
    price: float
    tags: frozenset = frozenset()

    def __post_init__(self):
        if self.price < 0:
            raise ValueError(f"{self.name}: negative price")
        object.__setattr__(self, "sort_key", (self.price, self.name))


@dataclass
class Inventory:
    stock: dict[Item, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, item: Item, count: int = 1) -> Inventory:
        self.stock[item] += count
        return self

    def __iter__(self) -> Iterator[Item]:
        return iter(sorted(self.stock))

    @property
    def total(self) -> float:
        return sum(item.price * count for item, count in self.stock.items())


def describe(item):
    match item:
        case Item(kind=Kind.FRUIT, price=p) if p < 1:
            return "cheap fruit"
        case Item(kind=Kind.FRUIT):
            return "fruit"
        case Item(kind=Kind.TOOL, tags=tags) if "sharp" in tags:
            return "sharp tool"
    return "tool"


apple = Item("apple", Kind.FRUIT, 0.5)
saw = Item("saw", Kind.TOOL, 12.25, frozenset({"sharp"}))
inventory = Inventory().add(apple, 10).add(saw).add(replace(apple, name="mango", price=2.0), 3)
inventory.add(Item("hammer", Kind.TOOL, 9.0))
for item in inventory:
    print(f"{item.name:<8}{item.price:>6.2f} x{inventory.stock[item]:>3} {describe(item)}")
print(f"total {inventory.total:.2f}")
print(asdict(apple)["kind"])
try:
    replace(saw, price=-1)
except ValueError as error:
    print("refused:", error)
