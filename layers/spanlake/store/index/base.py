"""The interface of the index, and totals by tenant and day."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Protocol

from spanlake.store.blocks.block import Block, CatalogEntry, DaySummary

IdRange = tuple[str, str]  # of ids of blocks, both ends included
ALL_IDS: IdRange = ("", "g")  # ids are hexadecimal

_PREFIXES = 1 << 16


def id_ranges(blocks: int, most: int) -> Iterator[IdRange]:
    """Yield ranges that hold all ids together, of so many blocks each with about ``most`` of them."""
    count = min(max(1, -(-blocks // most)), _PREFIXES)
    bounds = ["", *(f"{number * _PREFIXES // count:04x}" for number in range(1, count)), "g"]
    yield from pairwise(bounds)  # a bound is no id: ids are longer


LOST = -1
"""The time of creation of a block that was removed with all its spans."""


@dataclass(frozen=True, slots=True)
class StoredBefore:
    """A block that was added again after deletions may have removed some of its spans."""

    block: Block  # as it was added again
    created_ns: int  # when its spans were first stored; 0 when that is not known, LOST when all of them are gone
    hidden: frozenset[bytes] | None  # ids of traces that the live block hides; None when it was replaced


@dataclass(frozen=True, order=True, slots=True)
class MergeKey:
    """A merge of blocks, by the block that it makes."""

    tenant: str
    date: date
    id: str


@dataclass(frozen=True, order=True, slots=True)
class UnfinishedMerge:
    """A merge that has begun and has not ended: it is under way, or it failed, perhaps with its process."""

    merge: MergeKey
    attempts: int
    reason: str  # why the last attempt failed; empty when it did not come to say so
    seconds: int  # since 1970, when the last attempt began or failed


Catalog = Mapping[tuple[str, date], frozenset[CatalogEntry]]  # by tenant and day


class Index(Protocol):
    """The list of live blocks; safe to share between threads, and its storage between processes.

    Every method raises StorageUnavailable when the storage fails in a way that a later attempt may survive, and
    StorageCorrupt when it can not be read at all.
    """

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> list[StoredBefore]:
        """Make blocks live, all or none, durable when this returns.

        Adding a live block again renews its entry, all but the time of its creation and what is hidden in it. Adding
        one that was replaced changes nothing: its spans live on in the block that took its place. Unless they were
        deleted there, or are hidden in the live block: the blocks of which that may be so are returned.
        """

    def beyond_catalog(
        self, tenant: str, day: date, entries: frozenset[CatalogEntry], most: int | None = None
    ) -> frozenset[CatalogEntry]:
        """Return the entries for which the catalog of a day has no room: it has ``most``, and MOST_ENTRIES at most.

        An entry that is in the catalog always has room. The limit may be exceeded by what several processes add at
        once.
        """

    def replace(self, added: Sequence[Block], removed: Sequence[Block], *, lost: bool = False) -> None:
        """Swap blocks in one transaction, at most MAX_REPLACED in all; a swap already done counts as done.

        Raises IndexConflict, and changes nothing, when one of the removed blocks is not live, or hides other traces
        than it is said to. Nothing need be added; the spans of
        the removed blocks are then deleted ones, or are ``lost``: whoever sends them again has them stored again.
        """

    def mark_deleted(self, blocks: Sequence[Block], trace_id: bytes) -> None:
        """Hide the spans that live blocks hold of a trace, durable when this returns, and record the deletion.

        What the blocks hide lasts until they are replaced, by blocks without those spans. Raises IndexConflict when
        one of the blocks is not live; some of the others may then hide the trace already.
        """

    def deletions(self, tenant: str, since_ns: int) -> dict[bytes, int]:
        """Traces of a tenant that were deleted at or after a time, with the time of the last deletion of each.

        Times are nanoseconds since 1970. Deletions are forgotten when no block is left that was stored before them;
        with DynamoDB after 30 days.
        """

    def replaced_before(self, before: int) -> list[Block]:
        """Blocks that were replaced before this second since 1970 and are not forgotten; in no order.

        Of these their filters and what they hid need not be kept.
        """

    def archive_replaced(self, before: int) -> None:
        """Take blocks that were replaced before this second since 1970 out of what queries read, if they are in it.

        ``entries`` and ``replaced_before`` name them as before. No client may be repeating the requests that the blocks
        were stored for.
        """

    def purge(self, blocks: Sequence[Block]) -> None:
        """Note that the objects of retired blocks are gone. Adding such a block again still changes nothing."""

    def entries(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """Blocks of one day whose objects are needed: live ones, and retired ones that are not forgotten."""

    def live(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """Live blocks of one day, in any order; of several ranges of ids they may be as of different moments."""

    def find(self, tenant: str, start_ns: int, end_ns: int) -> list[Block]:
        """Live blocks with a span that may touch the inclusive range; latest end first.

        A search for the newest spans can stop at the first block that ends before what it has found.
        """

    def catalog(self, tenant: str, start_ns: int, end_ns: int) -> frozenset[CatalogEntry]:
        """Attributes of the days whose blocks may touch the inclusive range."""

    def look_up(self, tenant: str, start_ns: int, end_ns: int) -> tuple[list[Block], frozenset[CatalogEntry]]:
        """Return the results of ``find`` and ``catalog``, at the price of one of them where requests are paid for."""

    def known_ids(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> frozenset[str]:
        """Ids of the blocks of one day that are live, retired or forgotten; with DynamoDB of three days the last."""

    def days(self, tenant: str) -> list[date]:
        """Days of a tenant that the index knows, in order."""

    def get_property(self, name: str) -> str | None:
        """Return a property of the index as a whole, such as the id of the store it belongs to."""

    def claim_property(self, name: str, value: str) -> str:
        """Set a property unless it has a value; the value that it has then."""

    def set_property(self, name: str, value: str) -> None:
        """Set a property, durable when this returns."""

    @property
    def name(self) -> str:
        """The place of the index, as an operator calls it."""

    def service_time(self) -> int | None:
        """Ask for the time of the storage's own clock, in seconds since 1970.

        None where it is this machine's.
        """

    def tenants(self) -> list[str]:
        """Tenants that have or had blocks, in alphabetical order."""

    def summary(self) -> list[DaySummary]:
        """Return the totals of live blocks by tenant, day and level, in that order."""

    def expire(self, before: date, tenants: Collection[str] | None = None) -> list[Block]:
        """Forget every day before this one and return the blocks it held, live or replaced, for deletion.

        Of all tenants unless some are named.
        """

    def begin_merge(self, merge: MergeKey) -> None:
        """Count an attempt at a merge, durable before it is made: it may end with its process."""

    def end_merge(self, merge: MergeKey, failure: str = "") -> None:
        """Forget the attempts at a merge; with a failure, keep them and record it."""

    def unfinished_merges(self) -> list[UnfinishedMerge]:
        """Merges that have begun and have not ended, in the order of tenants and days."""

    def unready_reason(self) -> str | None:
        """Why the index cannot be used until somebody mends it; None when it can, or when nobody knows."""

    def keep_for(self, retention: timedelta | None) -> None:
        """Have what is in the index last as long as the retention says now, where that stands in its entries."""

    def close(self) -> None:
        """Release what the index holds open."""


def by_day(summary: Iterable[DaySummary]) -> list[dict[str, object]]:
    """One object for each tenant and day, with what is at each level of compaction; sizes in bytes.

    The summary is in the order of tenants and days.
    """
    days = groupby(summary, key=lambda day: (day.tenant, day.date))
    return [{"tenant": tenant, "date": on.isoformat()} | _day(list(levels)) for (tenant, on), levels in days]


def _day(levels: list[DaySummary]) -> dict[str, object]:
    return {
        "blocks": sum(level.blocks for level in levels),
        "spans": sum(level.spans for level in levels),
        "bytes": sum(level.size for level in levels),
        "levels": [
            {"level": level.level, "blocks": level.blocks, "spans": level.spans, "bytes": level.size}
            for level in levels
        ],
    }


MOST_ATTEMPTS = 3
QUARANTINE_SECONDS = 86_400  # after which a day gets another attempt: what has passed by itself needs nobody

Day = tuple[str, date]  # tenant and day


def quarantined(unfinished: Iterable[UnfinishedMerge], now: float) -> Mapping[Day, UnfinishedMerge]:
    """Return the tenants and days that compaction leaves alone at a time (Unix seconds), with a failed merge."""
    return {
        (one.merge.tenant, one.merge.date): one
        for one in unfinished
        if one.attempts >= MOST_ATTEMPTS and now - one.seconds < QUARANTINE_SECONDS
    }


def quarantined_days(unfinished: Iterable[UnfinishedMerge], now: float) -> list[dict[str, object]]:
    """One object for each quarantined tenant and day; times in seconds since 1970."""
    return [
        {
            "tenant": tenant,
            "date": on.isoformat(),
            "attempts": one.attempts,
            "reason": one.reason or "the process ended during the merge",
            "failed": one.seconds,
        }
        for (tenant, on), one in quarantined(unfinished, now).items()
    ]
