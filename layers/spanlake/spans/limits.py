"""How much requests may hold, so that what is made of them stays in proportion to their size."""

from collections.abc import Sequence
from dataclasses import dataclass, field

_FEW = 1024
"""How many messages of a kind a request may have, however small they are."""
_MOST_ITEMS = 1 << 22
"""How many values the values of a request's attributes may hold in all."""


_MOST_REPAIRS, _SMALLEST_FIELD = 65_536, 8
"""Fields of damaged messages that are looked at: a fixed number, and one for each few bytes."""


class TooMuch(ValueError):  # noqa: N818
    """Small messages of which many fit in a request, but what is made of them would not fit in memory."""


@dataclass(slots=True)
class Repairs:
    """The budget of fields in damaged messages, since each takes a Python step."""

    left: int

    def count(self) -> None:
        """Count one. Raises TooMuch."""
        if not self.left:
            raise TooMuch("too much of it is damaged")
        self.left -= 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What some requests together may hold: if they hold more, so does one of them on its own."""

    requests: int
    size: int
    """Bytes of all requests."""
    repairs: Repairs = field(default_factory=lambda: Repairs(0))

    @classmethod
    def of(cls, requests: Sequence[bytes]) -> "Limits":
        """The limits for these requests."""
        size = sum(map(len, requests))
        return cls(len(requests), size, Repairs(_MOST_REPAIRS + size // _SMALLEST_FIELD))

    def check(self, messages: str, count: int, smallest: int) -> None:
        """Raise TooMuch if there are more messages than of ``smallest`` bytes would fit in the requests."""
        if count > _FEW * self.requests + self.size // smallest:
            raise TooMuch(f"most of its {messages} are empty")

    def check_items(self, count: int) -> None:
        """Raise TooMuch if arrays or maps have more items than values may have."""
        self.check("array items", count, smallest=4)
        if count > _MOST_ITEMS * self.requests:
            raise TooMuch("its arrays have too many items")
