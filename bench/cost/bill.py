"""A month's bill: quantities of what AWS has a price for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.cost.prices import Price


@dataclass(frozen=True)
class Bill:
    """Units of each thing in a month."""

    units: Mapping[Price, float]

    @classmethod
    def of(cls, *items: tuple[Price, float]) -> "Bill":
        """A bill of these items, of which several may be of one kind."""
        units: dict[Price, float] = defaultdict(float)
        for price, quantity in items:
            units[price] += quantity
        return cls(units)

    def __add__(self, other: "Bill") -> "Bill":
        return Bill.of(*self.units.items(), *other.units.items())

    def without(self, *prices: Price) -> "Bill":
        """The bill without these kinds."""
        return Bill({price: quantity for price, quantity in self.units.items() if price not in prices})

    @property
    def dollars(self) -> float:
        """By the list prices alone."""
        return sum(dollars for _, dollars in self.lines())

    @property
    def dollars_charged(self) -> float:
        """Without what no account is ever charged for, supposing that nothing else in the account uses it up."""
        return sum(price.dollars * max(0.0, quantity - price.free) for price, quantity in self.units.items())

    def lines(self) -> Iterable[tuple[Price, float]]:
        """Dollars of each kind, the largest first."""
        dollars = {price: price.dollars * quantity for price, quantity in self.units.items()}
        return sorted(dollars.items(), key=lambda item: -item[1])
