"""Blocks to compact, and what is in them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import Block, arrival_order
from spanlake.store.blocks.trace_columns import drop_trace_columns
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import USUAL_MERGE, MergePolicy
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from tests.store.blocks.test_parquet import decoded
from tests.store.tables import NOON

TENANT = "a"


class Lake:
    """Blocks in a directory, on embedded storage."""

    def __init__(self, directory: Path, merge_policy: MergePolicy = USUAL_MERGE) -> None:
        self.objects = LocalObjects(directory)
        self.index = SqliteIndex(directory / ".index" / "index.sqlite")  # where no listing of objects shows it
        self.now_ns = NOON
        self.compactor = Compactor(self.objects, self.index, lambda: self.now_ns, merge_policy=merge_policy)
        self._writes = 0

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        self.index.close()

    def add(self, table: pa.Table) -> list[Block]:
        """Store a span table as fresh blocks, after all those that were stored before."""
        self._writes += 1
        return write(self.objects, self.index, TENANT, table, self._writes.to_bytes(8))

    def live(self) -> list[Block]:
        """The live blocks, in the order of their arrival."""
        return sorted(self.index.find(TENANT, MIN_NS, MAX_NS), key=arrival_order)

    def table(self, block: Block) -> pa.Table:
        """The spans in a block's object."""
        return drop_trace_columns(self.stored(block))

    def stored(self, block: Block) -> pa.Table:
        """Returns the table of the block with the columns that compaction adds."""
        return decoded(pa.py_buffer(self.objects.get(block.path)))

    def rows(self) -> list[str]:
        """The spans in the live blocks that are not hidden, trace by trace, as they arrived."""
        return sorted_rows((self.table(block), block) for block in self.live())

    def settle_once(self) -> None:
        """Do the merges that are due, each once."""
        for tenant, day in self.compactor.days():
            for merge in self.compactor.plan(tenant, day, settle=True):
                self.compactor.run(merge)

    def settle(self) -> int:
        """Compact all there is; returns the number of merges."""
        merges = 0
        for tenant, day in self.compactor.days():
            while due := self.compactor.plan(tenant, day, settle=True):
                merges += sum(self.compactor.run(merge) is not None for merge in due)
        return merges


def sorted_rows(tables: Iterable[tuple[pa.Table, Block]]) -> list[str]:
    """Returns the rows expected of a merge: each row once, in order of trace ids, rows of a trace as they arrived."""
    rows = [row for table, block in tables for row in table.to_pylist() if row["trace_id"] not in block.hidden]
    return list(dict.fromkeys(map(spelled, sorted(rows, key=lambda row: bytes(row["trace_id"])))))


def spelled(row: dict[str, Any]) -> str:
    """A row as text that tells everything but columns without a value."""
    return repr({name: value for name, value in sorted(row.items()) if value is not None})


def rows_in_order(table: pa.Table) -> list[str]:
    """The rows of a table as they lie in it."""
    return [spelled(row) for row in table.to_pylist()]


def colliding(requests: Sequence[ExportTraceServiceRequest]) -> list[pa.Table]:
    """The requests as span tables of one day, in which a few ids of traces and spans come up time and again."""
    tables = [decode([_collide(request).SerializeToString()]).table for request in requests]
    return [table for table in tables if table.num_rows]


def _collide(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                span.trace_id = bytes([len(span.name) % 3] * 16)
                span.span_id = bytes([len(span.attributes) % 3] * 8)
                span.parent_span_id = b""
                span.start_time_unix_nano = NOON + span.flags % 1000
    return request
