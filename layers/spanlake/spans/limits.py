"""How much requests may hold, so that what is made of them stays in proportion to their size."""

from collections.abc import Sequence
from dataclasses import dataclass

_FEW = 1024
"""How many messages of a kind a request may have, however small they are."""
_MOST_ITEMS = 1 << 22
"""How many values the values of a request's attributes may hold in all."""


class TooMuch(ValueError):  # noqa: N818
    """Small messages of which many fit in a request, but what is made of them would not fit in memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What some requests together may hold: if they hold more, so does one of them on its own."""

    requests: int
    size: int
    """Bytes of all requests."""

    @classmethod
    def of(cls, requests: Sequence[bytes]) -> "Limits":
        """The limits for these requests."""
        return cls(len(requests), sum(map(len, requests)))

    def check(self, messages: str, count: int, smallest: int) -> None:
        """Raise TooMuch if there are more messages than of ``smallest`` bytes would fit in the requests."""
        if count > _FEW * self.requests + self.size // smallest:
            raise TooMuch(f"most of its {messages} are empty")

    def check_items(self, count: int) -> None:
        """Raise TooMuch if arrays or maps have more items than values may have."""
        self.check("array items", count, smallest=4)
        if count > _MOST_ITEMS * self.requests:
            raise TooMuch("its arrays have too many items")
