"""One block made of several, without what is hidden and without rows that are there twice.

A small one is sorted by trace id, a large one has slices by time, too: see ``slices``.

All inputs are read side by side, a stretch of trace ids at a time, so that memory does not grow with their size.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.duplicates import drop_duplicates
from spanlake.spans.otlp.pivot import MOST_COLUMNS
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.blocks.describe import checksum, latest_end
from spanlake.store.blocks.schema import ROW_GROUP_SPANS, UNREADABLE, Lineage
from spanlake.store.blocks.trace_columns import SLICE_START, SLICED_SPANS, add_trace_columns
from spanlake.store.errors import StorageCorrupt
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.merge_columns import Columns
from spanlake.store.maintenance.merge_inputs import Cursor, Input, dictionary_columns, open_inputs
from spanlake.store.maintenance.slices import Slicing, with_start
from spanlake.store.objects.base import Objects
from spanlake.store.write import block_id

# To find a trace id, all row groups of a block with slices are looked at: a request each.
_REMOTE = "://"

_GROUP_BYTES = 32 << 20  # of rows that wait until they are a whole row group
_BYTES_PER_COLUMN = 5  # what a NULL takes in memory, and a code of a dictionary

# Row groups share the dictionary of their stretch, of which each should need the most part.
_LARGEST_DICTIONARY = 1024

_MOST_EARLIER = 1_100  # ids in a block's lineage, 36 KB of its footer: more than two rounds of merges read


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """Bounds of the pieces that a merge goes on in."""

    stretch_bytes: int = 32 << 20
    stretch_spans: tuple[int, int] = (1 << 4, 1 << 15)  # at least and at most; twice as many took half more memory
    row_group_spans: int = ROW_GROUP_SPANS
    sliced_spans: int = SLICED_SPANS
    slice_bytes: int = 48 << 20  # of a slice, at most; it has the spans of a row group
    held_bytes: int = 64 << 20  # of rows that are not read again for later slices
    most_columns: int = MOST_COLUMNS


USUAL_MERGE = MergePolicy()


@dataclass(frozen=True, slots=True)
class Merged:
    """A block that is not stored yet."""

    block: Block
    data: pa.Buffer  # the Parquet file
    catalog: frozenset[CatalogEntry]  # what has no column any more


def merge_blocks(
    objects: Objects,
    merge: Merge,
    checkpoint: Callable[[], None] = lambda: None,
    policy: MergePolicy = USUAL_MERGE,
) -> Merged | None:
    """Make the block that takes the place of others; None when every span of theirs is hidden.

    The same inputs give a block of the same id. ``pause`` is called now and then; it may wait, and what it raises ends
    the merge. Raises ObjectNotFound, StorageUnavailable and StorageCorrupt.
    """
    inputs = open_inputs(objects, merge.inputs)
    shapes = [(one.shape, one.block.spans) for one in inputs]
    columns = Columns.of(shapes, dictionary_columns(inputs), policy.most_columns)
    facts = _Facts()
    lineage = _lineage(inputs)
    try:
        slicing = None if _REMOTE in objects.uri(merge.inputs[0].path) else _slicing(merge, inputs, policy)
        stretches = _batches(inputs, columns, policy) if slicing is None else slicing.tables(columns)
        tables = map(facts.noted, _sorted(_with_checkpoints(stretches, checkpoint)))
        pieces = _whole_groups(tables, policy) if slicing is None else map(with_start, tables)
        data = _encode(pieces, lineage, policy)
    except UNREADABLE as error:  # a page that is not what its checksum says, among others
        raise StorageCorrupt(f"blocks to merge cannot be read: {error}") from error
    if data is None:
        return None
    return Merged(facts.block(merge, lineage, data), data, columns.catalog())


def _lineage(inputs: Sequence[Input]) -> Lineage:
    blocks = [one.block for one in inputs]
    earlier = dict.fromkeys(id_ for one in inputs if one.lineage for id_ in one.lineage.replaces)
    return Lineage(
        level=max(block.level for block in blocks) + 1,
        created_ns=min(block.created_ns for block in blocks),
        inputs=tuple(block.id for block in blocks),
        earlier=tuple(earlier)[:_MOST_EARLIER],
    )


def merged_id(merge: Merge) -> str:
    """Return the id of the block that takes the place of others."""
    content = hashlib.blake2b(b"merged")
    for block in sorted(merge.inputs, key=lambda block: block.id):
        content.update(b"".join((f"\n{block.id} ".encode(), *sorted(block.hidden))))
    first = merge.inputs[0]
    return block_id(first.tenant, first.date, content.digest())


def _batches(inputs: Sequence[Input], columns: Columns, policy: MergePolicy) -> Iterator[pa.Table]:
    """Yield the rows of all inputs for some trace ids at a time, those of one input after those of another."""
    if all(one.block.level == 0 for one in inputs):
        yield pa.concat_tables(columns.conform(one.table(), one.shape) for one in inputs)
        return
    cursors = list(_cursors(inputs, columns, policy))
    while True:
        for cursor, rows in cursors:
            cursor.fill(rows)
        bound = min((cursor.last for cursor, _ in cursors if not cursor.is_exhausted), default=None)
        parts = [part for cursor, _ in cursors if (part := cursor.take(bound)) is not None]
        if parts:
            yield pa.concat_tables(parts)
        elif bound is None:
            return
        for cursor, _ in cursors:
            if not parts and not cursor.is_exhausted and cursor.last == bound:
                cursor.extend()  # a trace that is larger than a stretch


def _slicing(merge: Merge, inputs: Sequence[Input], policy: MergePolicy) -> Slicing | None:
    """Return the slices of a block that is large enough for them; None where they are not worth what they cost."""
    if merge.spans < policy.sliced_spans:
        return None
    heaviest = max(one.bytes_per_span for one in inputs)
    rows = min(policy.row_group_spans, policy.slice_bytes // heaviest + 1)
    slicing = Slicing.of(inputs, rows, policy.held_bytes)
    return slicing if slicing.is_cheap else None


def _cursors(inputs: Sequence[Input], columns: Columns, policy: MergePolicy) -> Iterator[tuple[Cursor, int]]:
    """Cursors over what is sorted, with the rows that each should have at hand: in proportion, to go side by side."""
    spans = sum(one.block.spans for one in inputs)
    heaviest = max(one.bytes_per_span for one in inputs) + _BYTES_PER_COLUMN * len(columns.schema)
    least, most = policy.stretch_spans
    stretch = min(max(policy.stretch_bytes // heaviest, least), most)
    for one in inputs:
        for run in one.runs():
            rows = stretch * run.spans // spans + 1
            yield Cursor(columns.conform(table, one.shape) for table in run.tables(rows)), rows // 2 + 1


def _with_checkpoints(stretches: Iterable[pa.Table], checkpoint: Callable[[], None]) -> Iterator[pa.Table]:
    for stretch in stretches:
        checkpoint()
        yield stretch


def _sorted(stretches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for stretch in filter(len, stretches):
        order = pc.array_sort_indices(stretch["trace_id"].combine_chunks())  # stable: as the spans arrived
        yield add_trace_columns(drop_duplicates(stretch.unify_dictionaries().take(order)))


def _whole_groups(stretches: Iterable[pa.Table], policy: MergePolicy) -> Iterator[pa.Table]:
    """Yield the rows in tables whose length is a multiple of a row group's, but for the last one and large ones."""
    rest: pa.Table | None = None
    for stretch in stretches:
        table = stretch if rest is None else pa.concat_tables([rest, stretch]).unify_dictionaries()
        whole = table.num_rows // policy.row_group_spans * policy.row_group_spans
        end = table.num_rows if table.nbytes > _GROUP_BYTES else whole
        if end:
            yield table.slice(0, end)
        rest = table.slice(end)
    if rest is not None and rest.num_rows:
        yield rest


def _encode(tables: Iterator[pa.Table], lineage: Lineage, policy: MergePolicy) -> pa.Buffer | None:
    """Return the Parquet file of these rows; None when there are none."""
    from spanlake.store.blocks.parquet import BlockWriter, encode

    first, second = next(tables, None), next(tables, None)
    if first is None:
        return None
    first = _decoded(first)
    if second is None:
        return encode(first, lineage, policy.row_group_spans)
    writer = BlockWriter(first, lineage, has_more=True, row_group_spans=policy.row_group_spans)
    for table in chain((first, second), tables):
        writer.write(_with_types(table, first.schema), _rows_of_group(table, policy))
    return writer.close()


def _rows_of_group(table: pa.Table, policy: MergePolicy) -> int:
    """Return the number of rows in a row group; of a slice all, unless a trace makes it long."""
    is_slice = SLICE_START in table.column_names and table.num_rows < 2 * policy.row_group_spans
    return table.num_rows if is_slice else policy.row_group_spans


def _decoded(table: pa.Table) -> pa.Table:
    """Return the table, its dictionaries replaced by their values where they are large."""
    pairs = zip(table.schema, table.columns, strict=True)
    fields = [field.with_type(pa.string()) if _has_large_dictionary(column) else field for field, column in pairs]
    return _with_types(table, pa.schema(fields))


def _has_large_dictionary(column: Array) -> bool:
    return pa.types.is_dictionary(column.type) and len(column.chunk(0).dictionary) > _LARGEST_DICTIONARY


def _with_types(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table if table.schema == schema else table.cast(schema)


class _Facts:
    """Collects from the rows that pass by the entry that the index will have."""

    def __init__(self) -> None:
        self._spans = 0
        self._uncompressed_size = 0
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._trace_ids: list[Array] = []

    def noted(self, table: pa.Table) -> pa.Table:
        """Return the table itself."""
        self._spans += table.num_rows
        self._uncompressed_size += table.nbytes
        self._starts.append(pc.min(table["start_time_unix_nano"]).as_py())
        self._ends.append(latest_end(table))
        self._trace_ids.append(pc.unique(table["trace_id"]))
        return table

    def block(self, merge: Merge, lineage: Lineage, data: pa.Buffer) -> Block:
        """Return the entry of the block."""
        first = merge.inputs[0]
        return Block(
            tenant=first.tenant,
            date=first.date,
            id=merged_id(merge),
            level=lineage.level,
            start_ns=min(self._starts),
            end_ns=max(self._ends),
            spans=self._spans,
            size=data.size,
            created_ns=lineage.created_ns,
            trace_filter=bloom.build(pa.chunked_array(self._trace_ids)),
            uncompressed_size=self._uncompressed_size,
            checksum=checksum(data),
        )
