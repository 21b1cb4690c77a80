"""The columns of a block made of several: those that any of them has, no more than a block may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from spanlake.spans.arrow import Array
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.otlp.pivot import MOST_COLUMNS
from spanlake.spans.schema import FIXED, OPTIONAL
from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.blocks.demoted import REST_COLUMNS, with_demoted
from spanlake.store.maintenance.merge_inputs import BlockColumns

_SERVICE_NAME = AttributeColumn(Scope.RESOURCE, "service.name", ValueType.STRING)
_FEWEST_SPANS = 20
"""Where attributes are many, one part of so many is the least of a block's spans that are worth a column."""
_IDS = {"trace_id": pa.binary(16), "span_id": pa.binary(8), "parent_span_id": pa.binary(8)}


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a merged block, and their types.

    Attributes that have no column among them are moved to the rest columns.
    """

    schema: pa.Schema
    demoted: frozenset[AttributeColumn]

    @classmethod
    def of(
        cls, blocks: Sequence[tuple[BlockColumns, int]], coded: Mapping[str, bool], most: int = MOST_COLUMNS
    ) -> "Columns":
        """Return the columns of blocks of these shapes and numbers of spans.

        ``coded`` names the columns of strings whose values come as indices into a dictionary. ``most`` bounds the
        columns of attributes.
        """
        weights = _weights(blocks)
        kept = _most_frequent(weights, most, sum(spans for _, spans in blocks))
        moved = frozenset(weights.keys() - kept)
        present = {REST_COLUMNS[column.scope] for column in moved}.union(*(shape.names for shape, _ in blocks))
        fixed = [_typed(field, coded) for field in FIXED if field.name in present or field.name not in OPTIONAL]
        return cls(pa.schema([*fixed, *(_typed(column.field(), coded) for column in sorted(kept))]), moved)

    def catalog(self) -> frozenset[CatalogEntry]:
        """Return the catalog entries of attributes that are moved from a column."""
        return frozenset(CatalogEntry(str(column.scope), column.key, "rest") for column in self.demoted)

    def conform(self, table: pa.Table, shape: BlockColumns) -> pa.Table:
        """Return a table of one of the blocks with these columns."""
        columns = dict(zip(table.column_names, table.columns, strict=True))
        moved = sorted(self.demoted.intersection(shape.attributes))  # in one order, so that equal rows stay equal
        for scope, name in REST_COLUMNS.items():
            leaving = [(column.key, columns.pop(column.name)) for column in moved if column.scope is scope]
            if leaving:
                columns[name] = with_demoted(leaving, columns.get(name))
        arrays = [_conformed(columns.get(field.name), field.type, table.num_rows) for field in self.schema]
        return pa.table(arrays, schema=self.schema)


def _weights(blocks: Sequence[tuple[BlockColumns, int]]) -> dict[AttributeColumn, int]:
    """Counts for each attribute the spans of the blocks in which it has a column; service.name outweighs all."""
    spans: dict[AttributeColumn, int] = {}
    for shape, count in blocks:
        for column in shape.attributes:
            spans[column] = spans.get(column, 0) + count
    return spans | ({_SERVICE_NAME: 2**62} if _SERVICE_NAME in spans else {})


def _most_frequent(weights: Mapping[AttributeColumn, int], most: int, spans: int) -> set[AttributeColumn]:
    """As many of the heaviest as a block may have; of those with one name, which only hashes can share, one.

    Where there are more, those that few spans can have get no column either: every column takes its time of each query
    that fetches whole spans.
    """
    heaviest = sorted(weights, key=lambda column: (-weights[column], column))
    named = {column.name: column for column in reversed(heaviest)}
    columns = [column for column in heaviest if named[column.name] == column]
    if len(columns) <= most:
        return {*columns}
    return {column for column in columns[:most] if weights[column] * _FEWEST_SPANS >= spans}


def _typed(field: "pa.Field[Any]", coded: Mapping[str, bool]) -> "pa.Field[Any]":
    if field.name in _IDS:
        return field.with_type(_IDS[field.name])
    return field.with_type(pa.dictionary(pa.int32(), pa.string())) if coded.get(field.name) else field


def _conformed(values: Array | None, type_: pa.DataType, length: int) -> Array:
    if values is None:
        return pa.nulls(length, type_)  # type: ignore[call-overload]  # of any type
    if values.type == type_:
        return values
    if pa.types.is_dictionary(type_):
        return values.dictionary_encode()
    return values.cast(type_)
