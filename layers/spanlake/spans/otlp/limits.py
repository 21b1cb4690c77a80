"""Limits on the content of requests, which keep the memory for decoding in proportion to the size of the requests."""

from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_KEY_BYTES, MOST_VALUE_BYTES = 2048, 256 << 10
"""Limits on the length of keys, as in Tempo, and of values that are text."""
MOST_ATTRIBUTES = 8192
"""Limit on the attributes of one message. OpenTelemetry's SDKs stop at 128 unless told otherwise."""
FEW = 1024
"""Messages of a kind that a request may have, however small they are."""
_MOST_ELEMENTS = 2_000_000
"""Events, or links, that a request may have in total."""
_MOST_ITEMS = 1 << 21
"""Items that the attribute values of a request may have in total."""


_NESTED_BYTES, _NESTED_SHARE = 256 << 10, 8
"""Limit on bytes of nested values, which count again at every level: a fixed number for each request, and this many
times the size of the requests."""
_FEWEST_REPAIRS = 65_536
"""Fields of damaged messages that are inspected in any request; each takes two microseconds."""
_SMALLEST_FIELD, _MOST_SMALL_FIELDS = 8, 1 << 19
"""Of more bytes, one more for this many, so that every span may be damaged; up to this many."""
_FIELD_OF_LARGE = 64
"""Beyond them, one for this many bytes."""


class TooMuch(ValueError):  # noqa: N818
    """Messages so small that many fit in a request, while their decoded form would not fit in memory."""


@dataclass(slots=True)
class Repairs:
    """Budget of fields inspected in damaged messages; each takes a Python step."""

    left: int

    @classmethod
    def of(cls, size: int) -> "Repairs":
        """Return the budget for requests of this size."""
        small_fields = min(size // _SMALLEST_FIELD, _MOST_SMALL_FIELDS)
        return cls(_FEWEST_REPAIRS + max(small_fields, size // _FIELD_OF_LARGE))

    def count(self) -> None:
        """Count one field. Raises TooMuch."""
        if not self.left:
            raise TooMuch("too much of it is damaged")
        self.left -= 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the content of requests taken together; if all together exceed them, so does at least one alone."""

    requests: int
    size: int
    """Size of all requests in bytes."""
    repairs: Repairs = field(default_factory=lambda: Repairs(0))
    factor: int = 1
    """Multiplies the limits."""
    is_lenient: bool = False
    """True where messages that take too much repair are left out instead of refusing the request."""
    text_bytes: int = MOST_VALUE_BYTES
    """Length of an attribute's key or text, beyond which it is cut; a key has ``MOST_KEY_BYTES`` at most."""
    attributes: int = MOST_ATTRIBUTES
    """Attributes of one message; those beyond are dropped and counted."""

    @classmethod
    def of_accepted(cls, requests: int, size: int, text_bytes: int = MOST_VALUE_BYTES) -> "Limits":
        """Return limits that no number of messages exceeds, of which each takes two bytes or more.

        Of a single request nothing is refused.
        """
        return cls(
            requests, size, Repairs.of(size), factor=4, is_lenient=requests == 1, text_bytes=_at_most(text_bytes)
        )

    @classmethod
    def of(cls, requests: Sequence[bytes], text_bytes: int = MOST_VALUE_BYTES) -> "Limits":
        """Return the limits for these requests."""
        size = sum(map(len, requests))
        return cls(len(requests), size, Repairs.of(size), text_bytes=_at_most(text_bytes))

    @property
    def key_bytes(self) -> int:
        """The length of an attribute's key, beyond which it is cut."""
        return min(self.text_bytes, MOST_KEY_BYTES)

    def check(self, messages: str, count: int, smallest: int) -> None:
        """Raise TooMuch if there are more messages than would fit in the requests at ``smallest`` bytes each."""
        if count > self.factor * (FEW * self.requests + self.size // smallest):
            raise TooMuch(f"most of its {messages} are empty")

    @property
    def nested_bytes(self) -> int:
        """The bytes that nested values may have, at all levels together."""
        return self.requests * _NESTED_BYTES + self.size * _NESTED_SHARE

    def check_elements(self, messages: str, count: int) -> None:
        """Raise TooMuch if there are more events or links than spans may have."""
        self.check(messages, count, smallest=10)
        if count > _MOST_ELEMENTS * self.requests:
            raise TooMuch(f"it has more than {_MOST_ELEMENTS} {messages}")

    def check_items(self, count: int) -> None:
        """Raise TooMuch if arrays or maps have more items than values may have."""
        self.check("array items", count, smallest=8)
        if count > _MOST_ITEMS * self.requests:
            raise TooMuch("its arrays have too many items")


def _at_most(text_bytes: int) -> int:
    return min(text_bytes, MOST_VALUE_BYTES)
