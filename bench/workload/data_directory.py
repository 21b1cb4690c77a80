"""A data directory that holds the spans of a workload, once or several times, as spanlake stores them.

A copy's traces have other ids and start a window earlier than those of the copy before it.
"""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.workload.generate import WINDOW, Workload, bodies
from spanlake.spans.otlp.decode import decode
from spanlake.store.index.base import Index
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.store.tenant import DEFAULT_TENANT
from spanlake.store.write import write

_WINDOW_NS = int(WINDOW.total_seconds()) * 1_000_000_000
_TRACE_ID = pa.binary(16)


def fill(data: Path, workload: Workload, copies: int = 1) -> None:
    """Stores the spans in the directory, unless it has them already: a request of the workload makes a block.

    Raises RuntimeError when it holds anything else.
    """
    data.mkdir(parents=True, exist_ok=True)
    index = SqliteIndex(data / "index.sqlite")
    try:
        held, wanted = sum(day.spans for day in index.summary()), workload.spans * copies
        if held not in (0, wanted):
            raise RuntimeError(f"{data} holds {held:,} spans, not {wanted:,}: name another directory or remove it")
        if not held:
            store(LocalObjects(data), index, workload, copies)
    finally:
        index.close()


def store(objects: Objects, index: Index, workload: Workload, copies: int = 1) -> None:
    """Stores the spans, wherever that is: a request of the workload makes a block."""
    tables = [decode([body]).table for body in bodies(workload.file())]
    for copy, (number, table) in itertools.product(reversed(range(copies)), enumerate(tables)):
        name = hashlib.sha256(f"{copy} {number}".encode()).digest()
        write(objects, index, DEFAULT_TENANT, copied(table, copy), name)


def settle(data: Path) -> None:
    """Compacts all there is."""
    index = SqliteIndex(data / "index.sqlite")
    compactor = Compactor(LocalObjects(data), index)
    try:
        for merges in rounds(compactor):
            for merge in merges:
                compactor.run(merge)
    finally:
        index.close()


def rounds(compactor: Compactor) -> Iterator[list[Merge]]:
    """Yields the merges that are due, then the merges of their results, as on a day on which nothing more arrives."""
    while merges := [merge for day in compactor.days() for merge in compactor.plan(*day, settle=True)]:
        yield merges


def copied(table: pa.Table, copy: int) -> pa.Table:
    """A span table's copy of a number; number 0 is the table itself."""
    if not copy:
        return table
    changed = {
        "trace_id": other_ids(table["trace_id"].combine_chunks(), copy),
        "start_time_unix_nano": _earlier(table["start_time_unix_nano"], copy),
        "events": _earlier_events(table["events"].combine_chunks(), copy),
    }
    for name, column in changed.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _earlier(times: Any, copy: int) -> Any:
    return pc.subtract(times, copy * _WINDOW_NS)


def other_ids(ids: Any, copy: int) -> Any:
    """Ids whose first bytes are others in every copy, so that the copies' traces mix in the order of ids."""
    held = ids.cast(_TRACE_ID)
    first = held.offset * _TRACE_ID.byte_width
    old = held.buffers()[1][first : first + len(held) * _TRACE_ID.byte_width]
    mask = copy.to_bytes(_TRACE_ID.byte_width, "little")
    new = int.from_bytes(old) ^ int.from_bytes(mask * len(held))
    buffer = pa.py_buffer(new.to_bytes(len(old)))
    return pa.Array.from_buffers(_TRACE_ID, len(held), [None, buffer]).cast(ids.type)


def _earlier_events(events: Any, copy: int) -> Any:
    items = events.flatten()
    columns = dict(zip(items.type.names, items.flatten(), strict=True))
    columns["time_unix_nano"] = _earlier(columns["time_unix_nano"], copy)
    shifted = pa.StructArray.from_arrays(list(columns.values()), fields=list(items.type))
    lengths = pc.fill_null(pc.list_value_length(events), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    return pa.ListArray.from_arrays(offsets, shifted, type=events.type, mask=events.is_null())
