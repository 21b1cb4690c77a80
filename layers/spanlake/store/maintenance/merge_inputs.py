"""Blocks read for a merge: their rows in the order of trace ids, some at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.columns import AttributeColumn, attribute_columns
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.entry import check_checksum
from spanlake.store.blocks.schema import UNREADABLE, Lineage, from_parquet, schema_metadata
from spanlake.store.deadline import side_by_side
from spanlake.store.errors import StorageCorrupt
from spanlake.store.objects.base import Objects

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_AT_ONCE = 8  # more wait for the interpreter, not for S3: opening a block takes 3 ms of it, an answer 20
_WHOLE = 1 << 20  # bytes of an object that is read at once: of S3, by one request instead of three and more
_SMALL = 1_000  # spans; too few for dictionaries to pay
_DICTIONARIES = {"RLE_DICTIONARY", "PLAIN_DICTIONARY"}


@dataclass(frozen=True, slots=True)
class BlockColumns:
    """Names and kinds of the columns of a block."""

    names: tuple[str, ...]
    attributes: tuple[AttributeColumn, ...]
    strings: frozenset[str]  # columns of them

    @classmethod
    def of(cls, schema: pa.Schema) -> "BlockColumns":
        """Return the shape of a span table with this schema."""
        strings = frozenset(field.name for field in schema if field.type == pa.string())
        return cls(tuple(schema.names), tuple(attribute_columns(schema)), strings)


@dataclass(frozen=True, slots=True)
class Input:
    """One block of a merge, open for reading."""

    block: Block
    file: "pq.ParquetFile"
    shape: BlockColumns
    coded: frozenset[str]  # columns of strings that are read as indices into a dictionary
    lineage: Lineage | None

    @property
    def bytes_per_span(self) -> int:
        """Estimate of a span's bytes in memory, from the file without compression or from its entry."""
        metadata = self.file.metadata
        groups = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        return max(groups, self.block.uncompressed_size) // max(metadata.num_rows, 1) + 1

    def runs(self) -> list["Run"]:
        """Return the parts of the block that are sorted by trace id: those of a block in slices are several."""
        metadata = self.file.metadata
        every = range(metadata.num_row_groups)
        parts = [tuple(every)] if self.block.level == 0 else sorted_runs([_id_range(metadata, n) for n in every])
        return [Run(self, groups, sum(metadata.row_group(n).num_rows for n in groups)) for groups in parts]

    def table(self) -> pa.Table:
        """Return all rows that are not hidden, as they lie in the block."""
        return self.visible(self.file.read(use_threads=False))

    def visible(self, table: pa.Table) -> pa.Table:
        """Return the rows that are not hidden."""
        return table.filter(self.shown(table["trace_id"])) if self.block.hidden else table

    def shown(self, trace_ids: Array) -> Array:
        """True for each row whose trace is not hidden."""
        hidden = pa.array(sorted(self.block.hidden), trace_ids.type)
        return pc.invert(pc.is_in(trace_ids, value_set=hidden))


@dataclass(frozen=True, slots=True)
class Run:
    """Row groups of an input that are sorted by trace id one after the other, or can be sorted in memory."""

    of: Input
    groups: tuple[int, ...]
    spans: int

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """Yield the rows that are not hidden, by trace id, at most so many at a time of a block that is sorted."""
        if self.of.block.level == 0:
            whole = self.of.table()
            yield whole.take(pc.array_sort_indices(whole["trace_id"].combine_chunks()))
            return
        for batch in self.of.file.iter_batches(rows, row_groups=list(self.groups), use_threads=False):
            yield self.of.visible(pa.Table.from_batches([batch]))


def sorted_runs(ranges: Sequence[tuple[bytes, bytes] | None]) -> list[tuple[int, ...]]:
    """Deal out row groups, of which the first and the last trace id are given, so that the ids of each run ascend.

    A block without them is older than slices, and sorted.
    """
    known = [one for one in ranges if one is not None]
    if len(known) < len(ranges):
        return [tuple(range(len(ranges)))]
    runs: list[list[int]] = []
    for number, (first, _) in enumerate(known):
        below = [run for run in runs if known[run[-1]][1] <= first]
        if below:
            max(below, key=lambda run: known[run[-1]][1]).append(number)
        else:
            runs.append([number])
    return [tuple(run) for run in runs]


def _id_range(metadata: "pq.FileMetaData", number: int) -> tuple[bytes, bytes] | None:
    group = metadata.row_group(number)
    columns = (group.column(n) for n in range(group.num_columns))
    statistics = next((column.statistics for column in columns if column.path_in_schema == "trace_id"), None)
    if statistics is None or not statistics.has_min_max:
        return None
    first, last = statistics.min, statistics.max
    assert first is not None and last is not None  # noqa: PT018
    return bytes(first), bytes(last)


def open_inputs(objects: Objects, blocks: Iterable[Block]) -> list[Input]:
    """Open blocks, several at a time; raises ObjectNotFound, StorageUnavailable and StorageCorrupt."""
    shapes: dict[tuple[str, ...], BlockColumns] = {}
    opening = (partial(_open, objects, block, shapes) for block in blocks)
    return list(side_by_side("open blocks", opening, _AT_ONCE))


def _open(objects: Objects, block: Block, shapes: dict[tuple[str, ...], BlockColumns]) -> Input:
    import pyarrow.parquet as pq

    source = _source(objects, block)
    try:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        shape = _shape(file, shapes)
        coded = _dictionary_encoded(shape.strings, file.metadata) if block.spans >= _SMALL else frozenset()
        if coded:
            file = pq.ParquetFile(
                source, metadata=file.metadata, read_dictionary=sorted(coded), page_checksum_verification=True
            )
    except UNREADABLE as error:
        raise StorageCorrupt(f"the block {block.path} cannot be read: {error}") from error
    return Input(block, file, shape, coded, Lineage.of(file.metadata.metadata or {}))


def _source(objects: Objects, block: Block) -> pa.NativeFile:
    """Opens the object. A fresh or small one is read whole and compared with its checksum; of others pages are."""
    if block.level and block.size > _WHOLE:
        return objects.open(block.path)
    data = objects.get(block.path)
    check_checksum(block, data)
    return pa.BufferReader(data)


def _shape(file: "pq.ParquetFile", shapes: dict[tuple[str, ...], BlockColumns]) -> BlockColumns:
    """Return the shape of a block, remembered among others: many blocks have the same."""
    names, metadata = file.schema_arrow.names, schema_metadata(file.metadata.metadata or {})
    key = (*names, *sorted(f"{name!r}{value!r}" for name, value in metadata.items()))
    if key not in shapes:
        shapes[key] = BlockColumns.of(from_parquet(names, metadata))
    return shapes[key]


def _dictionary_encoded(strings: frozenset[str], metadata: "pq.FileMetaData") -> frozenset[str]:
    group = metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return frozenset(
        column.path_in_schema
        for column in columns
        if column.path_in_schema in strings and not _DICTIONARIES.isdisjoint(column.encodings)
    )


def dictionary_columns(inputs: Sequence[Input]) -> dict[str, bool]:
    """For each column of strings whether all large blocks that have it have it with a dictionary."""
    large = [one for one in inputs if one.block.spans >= _SMALL]
    plain = frozenset[str]().union(*(one.shape.strings - one.coded for one in large))
    return {name: name not in plain for one in large for name in one.shape.strings}


class Cursor:
    """Position in an input of a merge."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._pending: pa.Table | None = None
        self.is_exhausted = False

    @property
    def rows(self) -> int:
        """Number of rows that have been read and not taken."""
        return 0 if self._pending is None else self._pending.num_rows

    @property
    def last(self) -> bytes:
        """The last trace id that has been read."""
        assert self._pending is not None
        return bytes(self._pending["trace_id"][-1].as_py())

    def extend(self) -> None:
        """Read more."""
        table = next(self._tables, None)
        if table is None:
            self.is_exhausted = True
        elif table.num_rows:
            self._pending = table if self._pending is None else pa.concat_tables([self._pending, table])

    def fill(self, rows: int) -> None:
        """Read until there are so many rows, or no more."""
        while self.rows < rows and not self.is_exhausted:
            self.extend()

    def take(self, before: bytes | None) -> pa.Table | None:
        """Take the rows before a trace id, or all of them; None when there are none."""
        if self._pending is None:
            return None
        end = self.rows if before is None else _rows_before(self._pending["trace_id"], before)
        taken, self._pending = self._pending.slice(0, end), self._pending.slice(end)
        return taken if end else None


def _rows_before(trace_ids: Array, bound: bytes) -> int:
    """Counts the ids, which are in order, that are less than the bound."""
    low, high = 0, len(trace_ids)
    while low < high:
        middle = (low + high) // 2
        if trace_ids[middle].as_py() < bound:
            low = middle + 1
        else:
            high = middle
    return low
