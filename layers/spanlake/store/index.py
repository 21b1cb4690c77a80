"""The interface of the index: which blocks are live, and which attributes a tenant has on which day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

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
    trace_filter: bytes  # spanlake.store.trace_filter

    @property
    def path(self) -> str:
        """The object's path, in the layout that Hive, Athena and DuckDB read as partitions."""
        return f"spans/tenant={escape_tenant(self.tenant)}/date={self.date.isoformat()}/{self.id}.parquet"


@dataclass(frozen=True, order=True, slots=True)
class CatalogEntry:
    """One attribute that occurs in a tenant's spans on a day."""

    scope: str  # resource, span, scope, event, link
    key: str
    type: str  # string, int, double, bool, strings, ints, doubles, bools; rest when it has no typed column


@dataclass(frozen=True, order=True, slots=True)
class DaySummary:
    """What a tenant holds on one day at one level."""

    tenant: str
    date: date
    level: int
    blocks: int
    spans: int
    size: int  # bytes


Catalog = Mapping[tuple[str, date], frozenset[CatalogEntry]]  # by tenant and day


class Index(Protocol):
    """The list of live blocks; safe to share between threads, and its storage between processes.

    Every method raises StorageUnavailable when the storage fails in a way that a later attempt may survive, and
    StorageCorrupt when it can not be read at all.
    """

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> None:
        """Make blocks live, all or none, durable when this returns.

        Adding a live block again renews its entry, all but the time of its creation. Adding one that was replaced
        changes nothing: its spans live on in the block that took its place.
        """

    def replace(self, added: Sequence[Block], removed: Sequence[Block]) -> None:
        """Swap blocks in one transaction, at most MAX_REPLACED in all; a swap already done counts as done.

        Raises IndexConflict, and changes nothing, when one of the removed blocks is not live.
        """

    def find(self, tenant: str, start_ns: int, end_ns: int) -> list[Block]:
        """Live blocks with a span that may touch the inclusive range; latest end first.

        A search for the newest spans can stop at the first block that ends before what it has found.
        """

    def catalog(self, tenant: str, start_ns: int, end_ns: int) -> frozenset[CatalogEntry]:
        """Attributes of the days whose blocks may touch the inclusive range."""

    def tenants(self) -> list[str]:
        """Tenants that have or had blocks, in alphabetical order."""

    def summary(self) -> list[DaySummary]:
        """What is live, by tenant, day and level, in that order."""

    def expire(self, before: date) -> list[Block]:
        """Forget every day before this one and return the blocks it held, live or replaced, for deletion."""

    def close(self) -> None:
        """Release what the index holds open."""
