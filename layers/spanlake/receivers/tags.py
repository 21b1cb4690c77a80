"""Lists of tags as columns: each distinct tag is read once, and so is each distinct set of tags with a meaning.

Most tags are plain attributes. Others correspond to a field in OTLP, such as the kind of the span, and their meaning
may depend on each other: they are evaluated together, with a context from the span.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from struct import iter_unpack
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.receivers import otlp_columns
from spanlake.receivers.otlp_rows import Attribute, Tag
from spanlake.spans.arrow import Array, int64
from spanlake.spans.otlp import encoded_columns

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Meanings(Generic[T]):
    """Results of evaluating the tags of rows that are more than attributes."""

    different: list[T]
    code: Array
    """For each row the number of its result (int32)."""


@dataclass(frozen=True, slots=True)
class TagLists:
    """The tags of rows, in order; of tags with one key the last counts."""

    tags: Sequence[Tag]
    """The distinct tags."""
    length: int
    """Number of rows."""
    codes: Array
    """Tags of all rows, as numbers of distinct tags (int32)."""
    rows: Array
    """Row of each tag in ``codes`` (int64)."""

    @classmethod
    def of(cls, encoded: Array, read: Callable[[bytes], Tag]) -> "TagLists":
        """Read the tags in lists of binary."""
        codes = encoded.flatten().dictionary_encode()
        tags = [read(tag) for tag in codes.dictionary.to_pylist()]
        return cls(tags, len(encoded), codes.indices, pc.list_parent_indices(encoded))

    @classmethod
    def coded(cls, tags: Sequence[Tag], numbers: Array) -> "TagLists":
        """Make the lists from known tags and lists of their numbers (int32)."""
        return cls(tags, len(numbers), numbers.flatten(), pc.list_parent_indices(numbers))

    def split(
        self, special: Collection[str], context: Array, tell: Callable[[bytes, dict[str, Attribute]], T], tag: bytes
    ) -> tuple[Array, Meanings[T]]:
        """Return the attributes of each row as fields with this tag, and the meaning of its special tags.

        ``tell`` is given the row's value in ``context`` (binary, without NULL) and its special tags by key; it also
        returns those that are to be attributes all the same. In a row that repeats a key all tags are special.
        """
        is_special = pa.array([key in special for key, _ in self.tags], pa.bool_()).take(self.codes)
        repeating = self._repeating()
        if len(repeating):
            is_special = pc.or_(is_special, pc.is_in(self.rows, value_set=repeating))
        is_plain = pc.invert(is_special)
        encoded = pa.array([tag + encoded for _, (_, encoded) in self.tags], pa.binary())
        plain = otlp_columns.gathered(
            encoded.take(self.codes.filter(is_plain)), self.rows.filter(is_plain), self.length
        )
        return plain, self._meanings(is_special, context, tell)

    def _repeating(self) -> Array:
        """Return the rows that have several tags with one key."""
        numbers: dict[str, int] = {}
        key = pa.array([numbers.setdefault(key, len(numbers)) for key, _ in self.tags], pa.int64()).take(self.codes)
        counted = pc.add(pc.multiply(self.rows, int64(max(len(numbers), 1))), key).value_counts()
        if len(counted) == len(self.rows):
            return pa.array([], pa.int64())
        repeated = counted.field("values").filter(pc.greater(counted.field("counts"), int64(1)))
        return pc.divide(repeated, int64(len(numbers)))

    def _meanings(
        self, is_special: Array, context: Array, tell: Callable[[bytes, dict[str, Attribute]], T]
    ) -> Meanings[T]:
        contexts = context.dictionary_encode()
        codes = encoded_columns.four_bytes(self.codes.filter(is_special))
        said = otlp_columns.gathered(codes, self.rows.filter(is_special), self.length)
        different = encoded_columns.joined(encoded_columns.four_bytes(contexts.indices), said).dictionary_encode()
        known = contexts.dictionary.to_pylist()
        told = []
        for each in different.dictionary.to_pylist():
            first, *numbers = (number for (number,) in iter_unpack("<i", each))
            told.append(tell(known[first], dict(self.tags[number] for number in numbers)))
        return Meanings(told, different.indices)
