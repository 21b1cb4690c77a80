"""What a sample tells of columns: which depend on each other, and which have countless values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrays import int64

SAMPLE = 8192  # rows
_REDUCTION = 16  # rows that a different one must stand for, for counting rows instead of values to pay
_MOST_ROWS = 256  # different ones of columns that depend on each other
_FEW_ROWS = 64  # so few different ones are counted as one in any case
_UNSEEN = 1 << 15  # spans of whose rows the sample has none
_FEW = 16  # of so few values nothing can be said
_TELLING = 512  # values there must be, to tell that there are countless of them
_MOST = 1 << 18  # values to count each, at some hundred bytes, without a thought

Array: TypeAlias = "pa.Array[Any]"

_ONE = int64(1)


def is_scattered(column: "pa.ChunkedArray[Any]", rows: int) -> bool:
    """Whether there seem to be too many values to count each, hardly two rows of the sample sharing one."""
    there = len(column) - column.null_count
    if there < _TELLING or there * rows < _MOST * len(column):
        return False
    return bool(10 * pc.count_distinct(column).as_py() > 9 * there)


def dependent(sample: pa.Table, rows: int) -> list[list[str]]:
    """Sets of columns that depend on each other; the rows that all of them make together repeat often, too.

    The sample is one of so many rows. Columns are left out that have, by the share of values which it has only once,
    many values that it has not.
    """
    unseen = max(sample.num_rows * _UNSEEN // max(rows, 1), 1)
    columns = {name: sample[name].combine_chunks() for name in sample.column_names}
    every = [_Rows([name], *_numbered(column)) for name, column in columns.items()]
    known = [one for one in every if _repeats(one, columns[one.names[0]]) and one.singles <= unseen]
    sets = _joined(_together(known, max(sample.num_rows // _REDUCTION, 1)), _depend)
    return [one.names for one in _joined(sets, _are_few)]


@dataclass(frozen=True)
class _Rows:
    """What some columns are in each row of a table, as a number, NULL being a value like others, and how many different
    ones there are. A row stands for one of the sample, or with ``weights`` for so many."""

    names: list[str]
    numbers: Array
    count: int
    weights: "Array | None" = None

    def beside(self, other: "_Rows") -> "_Rows":
        """Those of the columns of both."""
        numbers = pc.add(pc.multiply(self.numbers, int64(other.count)), other.numbers)
        return _Rows([*self.names, *other.names], *_numbered(numbers), self.weights)

    @cached_property
    def singles(self) -> int:
        """How many of them the sample has only once."""
        counted: Any = pc.value_counts(self.numbers)
        once = counted.field("values").filter(pc.equal(counted.field("counts"), _ONE))
        if self.weights is None:
            return len(once)
        light = self.numbers.filter(pc.equal(self.weights, _ONE))
        return len(light.filter(pc.is_in(light, value_set=once)))


def _depend(one: _Rows, other: _Rows, both: _Rows) -> bool:
    """Whether what one is tells much of the other; so it does where the other is NULL for the most part."""
    return both.count < one.count + other.count and both.count <= _MOST_ROWS


def _are_few(one: _Rows, other: _Rows, both: _Rows) -> bool:
    return both.count <= _FEW_ROWS and both.singles <= max(one.singles, other.singles)


def _together(columns: Iterable[_Rows], most: int) -> list[_Rows]:
    """Columns that together make no more than so many different rows, those of fewest values first.

    Each of the different rows is one then.
    """
    found: list[_Rows] = []
    every: _Rows | None = None
    for one in sorted(columns, key=lambda one: one.count):
        both = one if every is None else every.beside(one)
        if both.count <= most:
            every = both
            found.append(one)
    if every is None:
        return []
    counted: Any = pc.value_counts(every.numbers)
    first = pc.index_in(counted.field("values"), value_set=every.numbers)
    weights = counted.field("counts")
    return [_Rows(one.names, one.numbers.take(first), one.count, weights) for one in found]


def _joined(parts: Iterable[_Rows], belong: Callable[[_Rows, _Rows, _Rows], bool]) -> list[_Rows]:
    """The same, those as one that belong together."""
    found: list[_Rows] = []
    for part in sorted(parts, key=lambda one: one.count):
        for at, one in enumerate(found):
            both = one.beside(part)
            if belong(one, part, both):
                found[at] = both
                break
        else:
            found.append(part)
    return found


def _repeats(rows: _Rows, column: Array) -> bool:
    """Whether values of a column come twice, on the average."""
    there = len(column) - column.null_count
    return 2 * (rows.count - int(column.null_count > 0)) <= max(there, _FEW)


def _numbered(column: Array) -> tuple[Array, int]:
    encoded = column.dictionary_encode(null_encoding="encode")
    return pc.cast(encoded.indices, pa.int64()), len(encoded.dictionary)
