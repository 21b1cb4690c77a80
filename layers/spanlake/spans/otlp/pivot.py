"""Converts attribute lists to columns; the values of a column are gathered from all lists at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, equals_last, int64, numbers, runs_of, scatter
from spanlake.spans.columns import Scope, ValueType
from spanlake.spans.otlp import rest
from spanlake.spans.otlp.attributes import Attributes
from spanlake.spans.schema import REST

MOST_COLUMNS = 512
"""Limit on attribute columns of a table; the columns with values in most spans are kept."""


@dataclass(frozen=True, slots=True)
class PivotPolicy:
    """Bounds of the attribute columns of a table."""

    most_cells: int = 1 << 25
    """Cells, NULL or not, in all attribute columns: rare attributes make a table much larger than its spans."""
    cells_at_once: int = 1 << 20
    """Cells of the columns that are made together."""


USUAL_PIVOT = PivotPolicy()


@dataclass(frozen=True, slots=True)
class Lists:
    """The attribute lists of the distinct resources, of the distinct scopes, or of the spans."""

    scope: Scope
    length: int
    """Number of lists, empty ones included."""
    codes: Array
    """Numbers of the attributes in all lists (int32)."""
    rows: Array
    """Number of the list of each attribute in ``codes``, ascending (int64)."""
    of_span: Array | None = None
    """Number of each span's list; None where each span has its own."""

    @property
    def spans(self) -> int:
        """The number of spans that have these lists."""
        return self.length if self.of_span is None else len(self.of_span)

    def weights(self) -> Array:
        """Return the number of spans that have each list (int64)."""
        if self.of_span is None:
            return pa.repeat(int64(1), self.length)
        counted = self.of_span.value_counts()
        return pc.fill_null(scatter(counted.field("counts"), counted.field("values"), self.length), 0)


@dataclass(frozen=True, slots=True)
class Pivoted:
    """The columns of attribute lists, a row for each list, and the rest column."""

    columns: dict[str, tuple["pa.Field[Any]", Array]]
    """Fields and values by column name."""
    rest: Array


def pivot(attributes: Attributes, every: Sequence[Lists], policy: PivotPolicy = USUAL_PIVOT) -> list[Pivoted]:
    """Convert lists of attributes to columns, within the limits for all columns of a table together.

    The rest columns hold the attributes beyond these limits, and each list's repetitions of a key and type. Raises what
    rest.column raises.
    """
    filled = [lists for lists in every if len(lists.codes)]
    parts = _frequent(attributes, [_sort(attributes, lists) for lists in filled], policy.most_cells)
    pivoted = {part.lists.scope: _columns(attributes, part, policy.cells_at_once) for part in parts}
    return [pivoted.get(lists.scope) or Pivoted({}, pa.nulls(lists.length, REST)) for lists in every]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Attributes ordered by column, and within a column by list."""

    lists: Lists
    codes: Array
    rows: Array
    column: Array
    """Number of each attribute's column."""
    left: tuple[Array, Array]
    """Codes and rows of attributes without a column."""

    def without(self, is_left: Array) -> "_Sorted":
        """Move the attributes where ``is_left`` is True to the rest column."""
        is_kept = pc.invert(is_left)
        codes, rows, column = (values.filter(is_kept) for values in (self.codes, self.rows, self.column))
        added = self.codes.filter(is_left), self.rows.filter(is_left)
        left_codes, left_rows = (pa.concat_arrays(pair) for pair in zip(self.left, added, strict=True))
        return _Sorted(self.lists, codes, rows, column, (left_codes, left_rows))


def _sort(attributes: Attributes, lists: Lists) -> _Sorted:
    column = attributes.column.take(lists.codes)
    order = pc.array_sort_indices(column)  # stable, NULL last
    column, codes, rows = column.take(order), lists.codes.take(order), lists.rows.take(order)
    end = len(column) - column.null_count
    left = codes.slice(end), rows.slice(end)
    ordered = _Sorted(lists, codes.slice(0, end), rows.slice(0, end), column.slice(0, end), left)
    is_repeated: Array = pc.and_(equals_last(ordered.column), equals_last(ordered.rows))
    if not is_repeated.true_count:
        return ordered
    return ordered.without(pa.concat_arrays([pa.array([False], pa.bool_()), is_repeated]))


def _frequent(attributes: Attributes, every: Sequence[_Sorted], most_cells: int) -> Sequence[_Sorted]:
    """Move the attributes of all but the most frequent columns to the rest columns."""
    spans = max((part.lists.spans for part in every), default=0)
    most = min(MOST_COLUMNS, most_cells // max(spans, 1))
    runs = [runs_of(part.column) for part in every]
    if sum(len(run.values) for run in runs) <= most:
        return every
    is_kept = _are_largest([_weights(attributes, *pair) for pair in zip(every, runs, strict=True)], most)
    rare = [run.values.filter(pc.invert(kept)) for run, kept in zip(runs, is_kept, strict=True)]
    return [part.without(pc.is_in(part.column, value_set=left)) for part, left in zip(every, rare, strict=True)]


def _weights(attributes: Attributes, part: _Sorted, runs: Array) -> Array:
    """Return the number of spans with a value in each column; a resource's service.name outweighs all."""
    total = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(part.lists.weights().take(part.rows))])
    at_ends = total.take(pa.concat_arrays([pa.array([0], pa.int32()), runs.run_ends]))
    spans = pc.pairwise_diff(at_ends).slice(1)
    if part.lists.scope is not Scope.RESOURCE:
        return spans
    service_name = int64(attributes.column_number("service.name", ValueType.STRING))
    return pc.if_else(pc.equal(runs.values, service_name), int64(2**62), spans)


def _are_largest(weights: Sequence[Array], most: int) -> list[Array]:
    """Return True for each number that is among the ``most`` largest of all.

    The first of equal numbers take precedence.
    """
    flat = pa.concat_arrays(list(weights))
    order: Array = pc.array_sort_indices(flat, order="descending")
    is_kept: Array = pc.is_in(numbers(len(flat)), value_set=order.slice(0, most).cast(pa.int64()))
    starts = accumulate((len(part) for part in weights), initial=0)
    return [is_kept.slice(start, len(part)) for start, part in zip(starts, weights, strict=False)]


def _columns(attributes: Attributes, part: _Sorted, cells_at_once: int) -> Pivoted:
    runs = runs_of(part.column)
    fields = {number: attributes.field(part.lists.scope, number) for number in runs.values.to_pylist()}
    if clashing := _clashing(fields):
        others = part.without(pc.is_in(part.column, value_set=pa.array(clashing, pa.int32())))
        return _columns(attributes, others, cells_at_once)
    columns = {
        field.name: (field, attributes.of_column(number).take(codes))
        for (number, field), codes in zip(fields.items(), _codes_by_column(part, runs, cells_at_once), strict=True)
    }
    codes, rows = part.left
    order = pc.array_sort_indices(rows)
    return Pivoted(columns, rest.column(attributes, codes.take(order), rows.take(order), part.lists.length))


def _clashing(fields: Mapping[int, "pa.Field[Any]"]) -> list[int]:
    """Return the columns whose name another column has already: a hash collision."""
    first = {field.name: number for number, field in reversed(list(fields.items()))}
    return [number for number, field in fields.items() if first[field.name] != number]


def _codes_by_column(part: _Sorted, runs: Array, cells_at_once: int) -> Iterator[Array]:
    """Yield for each column the attribute that each list has in it, NULL for none."""
    length = part.lists.length
    at_once = max(cells_at_once // max(length, 1), 1)
    ends = [0, *runs.run_ends.to_pylist()]
    for first in range(0, len(runs.values), at_once):
        group = ends[first : first + at_once + 1]
        rows, codes = (values.slice(group[0], group[-1] - group[0]) for values in (part.rows, part.codes))
        bounds = pa.array([end - group[0] for end in group], pa.int32())
        column = pc.list_parent_indices(pa.ListArray.from_arrays(bounds, rows))
        cells = (len(group) - 1) * length
        codes = scatter(codes, pc.add(pc.multiply(column, int64(length)), rows), cells)
        yield from (codes.slice(cell, length) for cell in range(0, cells, length))
