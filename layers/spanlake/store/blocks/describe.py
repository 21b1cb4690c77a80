"""Describes the spans of a block for the index: their attributes, and when the last of them ends."""

import zlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.columns import attribute_columns
from spanlake.store.blocks.block import NESTED, CatalogEntry
from spanlake.store.days import MAX_NS

_START = "start_time_unix_nano"
_REST = {"resource": "resource_rest", "span": "span_rest", "scope": "scope_rest"}
_TYPES = ("string", "int", "double", "bool", "rest")
_ABSENT = pa.array(("{}", "null"), pa.string())


def catalog_entries(table: pa.Table) -> frozenset[CatalogEntry]:
    """List the attributes of a span table: of resources, spans and scopes, of events and of links."""
    return frozenset((*_columns(table), *_in_rest(table), *_in_lists(table)))


def _columns(table: pa.Table) -> Iterator[CatalogEntry]:
    for column in attribute_columns(table.schema):
        if _has_values(table, column.name):
            yield CatalogEntry(str(column.scope), column.key, str(column.type))


def _in_rest(table: pa.Table) -> Iterator[CatalogEntry]:
    for scope, name in _REST.items():
        if _has_values(table, name):
            entries = pc.list_flatten(table.column(name))
            keys = pc.struct_field(entries, "key").filter(_is_present(pc.struct_field(entries, "value")))
            yield from (CatalogEntry(scope, key, "rest") for key in keys.unique().to_pylist())


def _in_lists(table: pa.Table) -> Iterator[CatalogEntry]:
    for scope, name in NESTED.items():
        if _has_values(table, name):
            lists = pc.struct_field(pc.list_flatten(table.column(name)), "attributes")
            yield from _typed_entries(scope, pc.list_flatten(lists))


def _typed_entries(scope: str, entries: Array) -> Iterator[CatalogEntry]:
    keys = pc.struct_field(entries, "key")
    for type_ in _TYPES:
        held = pc.struct_field(entries, type_)
        if held.null_count == len(held):
            continue
        having = keys.filter(_is_present(held) if type_ == "rest" else pc.is_valid(held))
        yield from (CatalogEntry(scope, key, type_) for key in having.unique().to_pylist())


def _is_present(json: Array) -> Array:
    """True where OTLP JSON holds a value: an attribute without one is not there."""
    return pc.and_(pc.is_valid(json), pc.invert(pc.is_in(json, value_set=_ABSENT)))


def _has_values(table: pa.Table, name: str) -> bool:
    return table.column(name).null_count < table.num_rows


def latest_end(spans: pa.Table) -> int:
    """Return the latest end, no later than an int64 can tell; spans that end before they start end when they start."""
    start: Array = spans[_START]
    room = pc.subtract(_i64(MAX_NS), pc.max_element_wise(start, _i64(0)))
    length = pc.max_element_wise(pc.min_element_wise(spans["duration_nano"], room), _i64(0))
    return int(pc.max(pc.add(start, length)).as_py())


def checksum(data: pa.Buffer | bytes) -> int:
    """Return the CRC-32 of a block's object, as Parquet has it of pages."""
    return zlib.crc32(data)


def _i64(value: int) -> pa.Int64Scalar:
    return pa.scalar(value, pa.int64())
