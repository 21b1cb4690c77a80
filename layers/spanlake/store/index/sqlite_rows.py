"""Blocks as rows of the SQLite index, and the parameters of its statements."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from spanlake.store.blocks.block import Block, DaySummary
from spanlake.store.days import clamp_ns, utc_day
from spanlake.store.index.base import IdRange
from spanlake.store.index.sqlite_statements import ID_BYTES, NUMBERS


def key_of(block: Block) -> dict[str, Any]:
    """Return the parameters that name a block."""
    return {"tenant": block.tenant, "date": block.date.isoformat(), "level": block.level, "id": block.id}


def to_day_summary(row: Sequence[Any]) -> DaySummary:
    """Read the totals of a day."""
    tenant, day, *figures = row
    return DaySummary(tenant, date.fromisoformat(day), *figures)


def row_of(block: Block) -> dict[str, Any]:
    """Return the parameters of a block, all of its columns."""
    numbers = {name: getattr(block, name) for name in (*NUMBERS, "uncompressed_size", "checksum")}
    return key_of(block) | numbers | {"trace_filter": block.trace_filter, "hidden": b"".join(sorted(block.hidden))}


def to_block(row: Sequence[Any]) -> Block:
    """Read a block."""
    tenant, day, *rest, hidden, uncompressed_size, checksum = row
    values: list[Any] = [tenant, date.fromisoformat(day), *rest, to_ids(hidden), uncompressed_size, checksum]
    return Block(*values)


def to_ids(hidden: bytes) -> frozenset[bytes]:
    """Read the ids of deleted traces."""
    return frozenset(hidden[start : start + ID_BYTES] for start in range(0, len(hidden), ID_BYTES))


def range_parameters(tenant: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    """Return the parameters of a range of time."""
    return {
        "tenant": tenant,
        "start": clamp_ns(start_ns),
        "end": clamp_ns(end_ns),
        "start_date": utc_day(start_ns).isoformat(),
        "end_date": utc_day(end_ns).isoformat(),
    }


def id_parameters(tenant: str, day: date, ids: IdRange) -> dict[str, str]:
    """Return the parameters of a day's range of ids."""
    first, last = ids
    return {"tenant": tenant, "date": day.isoformat(), "first": first, "last": last}
