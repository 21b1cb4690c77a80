"""Orders the rows of a large block so that a search which stops early reads little of it.

The traces that start last come first, in slices of a row group each; in a slice spans are sorted by trace id. A trace
is never in two slices. So the newest traces are in one row group or two, as are the spans of one trace.

The inputs of a merge are read twice: the ids and times of all spans, to deal out slices, then slice by slice the row
groups that have spans of it. Inputs that came in one after the other have few slices each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, as_array, int64, scatter, where
from spanlake.store.blocks.trace_columns import SLICE_START
from spanlake.store.maintenance.merge_columns import Columns
from spanlake.store.maintenance.merge_inputs import Input

_START = "start_time_unix_nano"
_ID = pa.binary(16)
_MOST_READS = 3  # of a row group, on average; beyond it slices cost more than they are worth


@dataclass(frozen=True)
class Group:
    """A row group of an input, and the slice of each of its rows: from 0, NULL of a row that is hidden."""

    of: Input
    number: int
    slices: Array

    @cached_property
    def sizes(self) -> dict[int, int]:
        """The bytes of the rows of each slice, about."""
        counted = self.slices.drop_null().value_counts()
        numbers, counts = (counted.field(name).to_pylist() for name in ("values", "counts"))
        return {number: count * self.of.bytes_per_span for number, count in zip(numbers, counts, strict=True)}

    def table(self, columns: Columns) -> pa.Table:
        """Return all rows, with the columns of the merge."""
        return columns.conform(self.of.file.read_row_group(self.number, use_threads=False), self.of.shape)


@dataclass
class Slicing:
    """The row groups of a merge, and the way to read them by slice."""

    groups: list[Group]
    count: int
    held_bytes: int  # of rows of later slices that are kept, at most; others are read again
    _held: dict[tuple[int, int], pa.Table] = field(default_factory=dict)  # by slice and place of the group

    @classmethod
    def of(cls, inputs: Sequence[Input], rows: int, held_bytes: int) -> "Slicing":
        """Deal out the visible spans of all inputs to slices of about so many rows."""
        tables = [one.file.read(columns=["trace_id", _START], use_threads=False) for one in inputs]
        shown = [where(one.shown(table["trace_id"])) for one, table in zip(inputs, tables, strict=True)]
        spans = pa.concat_tables(_visible(*pair) for pair in zip(tables, shown, strict=True))
        numbers = _numbers(spans, rows) if spans.num_rows else pa.array([], pa.int32())
        groups, first = [], 0
        for one, table, there in zip(inputs, tables, shown, strict=True):
            of_input = scatter(numbers.slice(first, len(there)), there, table.num_rows)
            groups += list(_groups(one, of_input))
            first += len(there)
        return cls(groups, (pc.max(numbers).as_py() or 0) + 1, held_bytes)

    @cached_property
    def _groups_of(self) -> dict[int, list[int]]:
        """The places of the groups that have rows of each slice."""
        found: dict[int, list[int]] = {}
        for place, group in enumerate(self.groups):
            for number in group.sizes:
                found.setdefault(number, []).append(place)
        return found

    @cached_property
    def _plan(self) -> tuple[int, frozenset[tuple[int, int]]]:
        """Number of reads of groups, and the slices and groups whose rows are held for later."""
        reads, size, held = 0, 0, set[tuple[int, int]]()
        for number in range(self.count):
            for place in self._groups_of.get(number, ()):
                sizes = self.groups[place].sizes
                if (number, place) in held:
                    size -= sizes[number]
                    continue
                reads += 1
                for later in (one for one in sizes if one > number and (one, place) not in held):
                    if size < self.held_bytes:
                        held.add((later, place))
                        size += sizes[later]
        return reads, frozenset(held)

    @property
    def is_cheap(self) -> bool:
        """True where row groups have to be read a few times at most."""
        return self._plan[0] <= _MOST_READS * len(self.groups)

    def tables(self, columns: Columns) -> Iterator[pa.Table]:
        """Yield the visible rows of each slice, those of one input after those of another."""
        for number in range(self.count):
            parts = [self._part(columns, number, place) for place in self._groups_of.get(number, ())]
            if parts:
                yield pa.concat_tables(parts)

    def _part(self, columns: Columns, number: int, place: int) -> pa.Table:
        held = self._held.pop((number, place), None)
        if held is not None:
            return held
        group = self.groups[place]
        table = group.table(columns)
        for later in group.sizes:
            if later > number and (later, place) in self._plan[1] and (later, place) not in self._held:
                self._held[later, place] = _rows(table, group, later)
        return _rows(table, group, number)


def _rows(table: pa.Table, group: Group, number: int) -> pa.Table:
    return table.filter(pc.equal(group.slices, pa.scalar(number, pa.int32())))


def with_start(part: pa.Table) -> pa.Table:
    """Return a slice with the column SLICE_START, beside that of the spans' starts: both are read together."""
    first: int = pc.min(part[_START]).as_py()
    index = part.schema.get_field_index(_START) + 1
    return part.add_column(index, SLICE_START, pa.repeat(int64(first), part.num_rows))


def _visible(table: pa.Table, rows: Array) -> pa.Table:
    table = table.set_column(0, "trace_id", table["trace_id"].cast(_ID))
    return table if len(rows) == table.num_rows else table.take(rows)


def _numbers(spans: pa.Table, rows: int) -> Array:
    """Number the slice of each span, from that of the newest traces on."""
    traces = as_array(spans["trace_id"]).dictionary_encode()
    starts = pa.table({"trace": traces.indices, "start": as_array(spans[_START])})
    by_trace = starts.group_by("trace", use_threads=False).aggregate([("start", "min"), ([], "count_all")])
    newest_first = pc.array_sort_indices(as_array(by_trace["start_min"]), order="descending").cast(pa.int64())
    sizes = as_array(by_trace["count_all"]).take(newest_first)
    before = pc.subtract(pc.cumulative_sum(sizes), sizes)
    size = -(-spans.num_rows // -(-spans.num_rows // rows))
    of_traces = pc.divide(before, int64(size)).cast(pa.int32())
    return scatter(of_traces, newest_first, len(newest_first)).take(traces.indices)


def _groups(one: Input, slices: Array) -> Iterator[Group]:
    metadata = one.file.metadata
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    for number, (begin, end) in enumerate(pairwise(accumulate(sizes, initial=0))):
        yield Group(one, number, slices.slice(begin, end - begin))
