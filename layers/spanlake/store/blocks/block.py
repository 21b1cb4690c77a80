"""A block and its entry in the index."""

from dataclasses import dataclass
from datetime import date

from spanlake.store.tenant import escape_tenant

MAX_REPLACED = 90  # added and removed blocks in one swap; DynamoDB takes 100 actions in a transaction


@dataclass(frozen=True, slots=True)
class Block:
    """One live Parquet object: the spans of one tenant that start on one UTC day."""

    tenant: str
    date: date  # UTC day of every span's start
    id: str  # lower-case hex, unique in its tenant and day
    level: int  # 0 as ingested, more after each compaction
    start_ns: int  # earliest span start, nanoseconds since 1970
    end_ns: int  # latest span end; may lie days after the date
    spans: int
    size: int  # bytes of the object
    created_ns: int  # when its spans were first stored, nanoseconds since 1970
    trace_filter: bytes  # spanlake.store.blocks.bloom
    hidden: frozenset[bytes] = frozenset()  # ids of traces, of 16 bytes, whose spans in the object are deleted
    uncompressed_size: int = 0  # bytes of the spans as an Arrow table; 0 in entries of older versions
    checksum: int | None = None  # CRC-32 of the object; None in entries of older versions

    @property
    def path(self) -> str:
        """The object's path, in the layout that Hive, Athena and DuckDB read as partitions."""
        return f"spans/tenant={escape_tenant(self.tenant)}/date={self.date.isoformat()}/{self.id}.parquet"


def arrival_order(block: Block) -> tuple[int, str]:
    """Return a sort key: blocks in the order in which their spans arrived, as far as it is known."""
    return block.created_ns, block.id


OTHER_KEYS = "\u2026"
"""Key of the entry, of type rest, that stands for all keys of a scope for which a day's catalog had no room."""
NESTED = {"event": "events", "link": "links"}
"""Column of each scope whose attributes have no columns of their own."""
MOST_ENTRIES = 2048
"""Limit on the entries of a day's catalog, by which attributes get columns: every query of the day reads all."""


@dataclass(frozen=True, order=True, slots=True)
class CatalogEntry:
    """One attribute that occurs in a tenant's spans on a day."""

    scope: str  # resource, span, scope, event, link
    key: str
    type: str  # string, int, double, bool, strings, ints, doubles, bools; rest when it has no typed column


@dataclass(frozen=True, order=True, slots=True)
class DaySummary:
    """Totals of a tenant's live blocks of one day at one level."""

    tenant: str
    date: date
    level: int
    blocks: int
    spans: int
    size: int  # bytes
