"""Span tables as Parquet bytes: which encoding and codec each column gets, and which columns carry statistics.

Measured on blocks of 4,600 and of 65,536 spans, for bytes and for the time that writing and reading take. What a
dictionary has made small, zstd makes little smaller than Snappy does (7 % of the file), and it takes twice as long to
read; to begin with zstd takes 20 µs a column whatever there is to compress. So zstd is for long values and for those
that are written as they are, in blocks where it pays, and columns that cannot profit have neither. DuckDB knows
BYTE_STREAM_SPLIT for floating point only, where zstd by itself does better.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spanlake.spans.arrow import Array
from spanlake.spans.schema import FIXED, OPTIONAL
from spanlake.store.blocks.schema import ROW_GROUP_SPANS, Lineage, to_metadata
from spanlake.store.blocks.trace_columns import SLICE_START

_PAGE_ROWS = 1024  # Parquet's own
_PAGE_BYTES = 1 << 20
_SMALL = 1_000  # spans; such a block is mostly footer, and waits for compaction
_LONG = 64  # bytes a span in memory; what has more, such as stack traces, zstd makes much smaller
_SAMPLES = (256, 16_384)  # spans; the small one clears most columns
_GUESSED = {pa.string(), pa.int64()}
_OF_SPANS = ("name", "span_")  # what resources and scopes have, spans share
_ID_TYPES = {"trace_id": pa.binary(16), "span_id": pa.binary(8), "parent_span_id": pa.binary(8)}
# Lists are many columns to Parquet, and most blocks have no links or unusual values.
_ALWAYS = {*FIXED.names} - OPTIONAL
# Of the rest, minimum and maximum hardly ever exclude a block, and they cost 50 bytes a column.
_STATISTICS = ["trace_id", "start_time_unix_nano", "duration_nano", "status_code", "service_name", SLICE_START]


@dataclass(frozen=True, slots=True)
class _Coding:
    """Encoding and compression of a column."""

    dictionary: bool = False
    encoding: str | None = None  # PLAIN unless named; only without a dictionary
    codec: str = "none"


_DICTIONARY = _Coding(dictionary=True, codec="snappy")
_LONG_DICTIONARY = replace(_DICTIONARY, codec="zstd")
_PLAIN = _Coding(codec="zstd")
_BARE = _Coding()
_DELTA = _Coding(encoding="DELTA_BINARY_PACKED")
_TEXT = _Coding(encoding="DELTA_LENGTH_BYTE_ARRAY", codec="zstd")

_BY_NAME = {
    "trace_id": _DICTIONARY,
    "span_id": _Coding(encoding="DELTA_LENGTH_BYTE_ARRAY"),  # random: nothing to gain
    "parent_span_id": _TEXT,
    "start_time_unix_nano": _DELTA,
    "duration_nano": _DELTA,
}


def encode(table: pa.Table, lineage: Lineage | None = None, row_group_spans: int = ROW_GROUP_SPANS) -> pa.Buffer:
    """Write a span table of valid spans as one Parquet file; attributes and lists without a value are left out.

    The same table gives the same bytes. Raises ValueError when an id is not 16 or 8 bytes long.
    """
    _check_ids(table)
    table = _without_empty_columns(table)
    writer = BlockWriter(table, lineage, row_group_spans=row_group_spans)
    writer.write(table)
    return writer.close()


class BlockWriter:
    """Writes one Parquet file piece by piece, all of the same columns, ids of the right length.

    Ids are written as BYTE_ARRAY, which is Athena's documented ``binary``: bytes of any length. Athena's pages do not
    name FIXED_LEN_BYTE_ARRAY, and Trino reads it as ``varbinary`` only since its pull request 16264. Where all lengths
    are equal, DELTA_LENGTH_BYTE_ARRAY makes them cost nothing: a block is 1 % longer, and is read as fast.

    The first rows tell how each column is written. To have full row groups, pieces should have a multiple of
    ``row_group_spans`` rows.
    """

    def __init__(
        self,
        first: pa.Table,
        lineage: Lineage | None = None,
        *,
        has_more: bool = False,
        row_group_spans: int = ROW_GROUP_SPANS,
    ) -> None:
        self._row_group_spans = row_group_spans
        self._sink = pa.BufferOutputStream()
        first = _with_plain_ids(first)
        self._writer = pq.ParquetWriter(self._sink, first.schema, **_options(first, lineage, has_more))
        self._writer.add_key_value_metadata(to_metadata(first.schema))
        if lineage is not None:
            self._writer.add_key_value_metadata(lineage.to_metadata())

    def write(self, table: pa.Table, row_group_spans: int | None = None) -> None:
        """Add rows, in row groups of their own."""
        self._writer.write_table(_with_plain_ids(table), row_group_spans or self._row_group_spans)

    def close(self) -> pa.Buffer:
        """Return the file; nothing can be added after it."""
        self._writer.close()
        return self._sink.getvalue()


def _without_empty_columns(table: pa.Table) -> pa.Table:
    empty = [name for name, column in zip(table.column_names, table.columns, strict=True) if _is_empty(column)]
    return table.drop_columns([name for name in empty if name not in _ALWAYS])


def _check_ids(table: pa.Table) -> None:
    for name, type_ in _ID_TYPES.items():
        table.column(name).cast(type_)


def _with_plain_ids(table: pa.Table) -> pa.Table:
    for name in _ID_TYPES:
        index = table.schema.get_field_index(name)
        if table.field(index).type != pa.binary():
            table = table.set_column(index, pa.field(name, pa.binary()), table.column(index).cast(pa.binary()))
    return table


def _options(table: pa.Table, lineage: Lineage | None, has_more: bool) -> dict[str, Any]:
    codings = dict(_codings(table, has_more))
    codecs = {"zstd": "zstd" if has_more or table.num_rows >= _SMALL else "snappy"}
    return {
        "compression": {leaf: codecs.get(coding.codec, coding.codec) for leaf, coding in codings.items()},
        "use_dictionary": [leaf for leaf, coding in codings.items() if coding.dictionary],
        "column_encoding": {leaf: coding.encoding for leaf, coding in codings.items() if coding.encoding},
        "write_batch_size": _rows_per_page(table) if lineage else _PAGE_ROWS,  # a fresh block is read as a whole
        "write_statistics": _STATISTICS,
        "store_schema": False,
        "write_page_checksum": True,
    }


def _rows_per_page(table: pa.Table) -> int:
    """After how many rows the writer looks whether a page is full: a reader holds a whole page of each column."""
    row = table.nbytes // max(table.num_rows, 1) + 1
    return max(1, min(_PAGE_ROWS, _PAGE_BYTES // row))


def _codings(table: pa.Table, has_more: bool) -> Iterator[tuple[str, _Coding]]:
    diverse = set(_diverse_columns(table))
    for field, column in zip(table.schema, table.columns, strict=True):
        is_empty = _is_empty(column) and not has_more
        dictionary = _LONG_DICTIONARY if not is_empty and _is_long(column) else _DICTIONARY
        for leaf, type_ in _leaves(field.name, field.type):
            coding = _BARE if is_empty else _coding(leaf, type_, leaf in diverse)
            yield leaf, dictionary if coding is _DICTIONARY else coding


def _is_long(column: Array) -> bool:
    """Return True for a column of long values. Buffers of a chunk tell the most it can have, in a tenth of the time."""
    most = _LONG * len(column)
    if column.num_chunks == 1 and column.get_total_buffer_size() <= most:
        return False
    return bool(column.nbytes > most)


def _leaves(path: str, type_: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """Yield the columns that Parquet makes of one of ours, by the paths it gives them."""
    if isinstance(type_, pa.ListType):
        yield from _leaves(f"{path}.list.element", type_.value_type)
    elif isinstance(type_, pa.StructType):
        for field in type_:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path, type_


def _coding(leaf: str, type_: pa.DataType, diverse: bool) -> _Coding:
    if leaf in _BY_NAME:
        return _BY_NAME[leaf]
    if leaf.endswith(".time_unix_nano"):
        return _DELTA
    if type_ == pa.float64():
        return _PLAIN
    if type_ == pa.binary():
        return _TEXT
    if diverse:
        return _TEXT if type_ == pa.string() else _DELTA
    return _DICTIONARY


def _diverse_columns(table: pa.Table) -> list[str]:
    """Return the columns whose values seldom occur twice, so that a dictionary does not pay."""
    if table.num_rows < _SMALL:
        return []
    names = [field.name for field in table.schema if field.type in _GUESSED and field.name.startswith(_OF_SPANS)]
    for rows in _SAMPLES:
        sample = _sample(table.select(names), rows)
        names = [name for name, column in zip(names, sample.columns, strict=True) if not _repeats(column)]
    return names


def _sample(table: pa.Table, rows: int) -> pa.Table:
    """About so many rows, taken from eight places, since neighbours are alike."""
    step = -(-len(table) // 8)
    return pa.concat_tables(table.slice(start, min(step, rows // 8)) for start in range(0, len(table), step))


def _repeats(column: Array) -> bool:
    """Return True where a value occurs twice or more on average."""
    distinct = pc.unique(column)  # in half the time that it takes to count them
    values = len(column) - column.null_count
    return bool(2 * (len(distinct) - distinct.null_count) <= values)


def _is_empty(column: Array) -> bool:
    return bool(column.null_count == len(column))
