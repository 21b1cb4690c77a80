"""The index in a DynamoDB table; ``table`` tells what stands where."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from spanlake.store import aws_client
from spanlake.store.blocks.block import MAX_REPLACED, Block, CatalogEntry, DaySummary
from spanlake.store.days import clamp_ns
from spanlake.store.errors import StorageCorrupt, StoreError
from spanlake.store.index.base import ALL_IDS, Catalog, IdRange, MergeKey, StoredBefore, UnfinishedMerge
from spanlake.store.index.dynamodb.additions import Additions, transactions
from spanlake.store.index.dynamodb.days import Days
from spanlake.store.index.dynamodb.items import (
    Update,
    is_block,
    is_entry,
    is_live,
    is_there,
    key_of,
    to_block,
    to_entry,
)
from spanlake.store.index.dynamodb.lookup import Lookup, in_range
from spanlake.store.index.dynamodb.replacements import IS_LIVE, SWAP_SECONDS, Merges, Replacements, not_live
from spanlake.store.index.dynamodb.requests import NoTable, Requests
from spanlake.store.index.dynamodb.retention import Deletions, renew
from spanlake.store.index.dynamodb.summaries import Summaries
from spanlake.store.index.dynamodb.table import (
    DAY_ITEM,
    STORE,
    TENANTS,
    TOMBSTONE,
    Key,
    block_key,
    create_table,
    how_to_create,
    partition,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_VERSION = 1
_NEWEST_VERSION = _VERSION + 1  # a version is read one release before it is written, see store.blocks.schema
_RETENTION = "retention"

_READ_SECONDS = 8.0


class DynamoIndex:
    """The index in one table, which any number of processes may use.

    With a retention, entries expire by themselves some days after their spans are too old.
    """

    def __init__(
        self,
        table: str,
        retention: timedelta | None = None,
        session: aws_client.Session | None = None,
        swap_seconds: int = SWAP_SECONDS,
    ) -> None:
        with aws_client.reported(f"use the index table {table}"):
            client = (session or aws_client.Session()).client("dynamodb", config=aws_client.config(_READ_SECONDS))
        self.client: DynamoDBClient = client
        self.table = table
        self._retention = retention
        self._requests = Requests(self.client, table)
        self._days = Days(self._requests, retention)
        self._swaps = Replacements(self._requests, retention, swap_seconds)
        self._deletions = Deletions(self._requests)
        self._merges = Merges(self._requests)
        self._summaries = Summaries(self._requests, self._days)
        self._additions = Additions(self._requests, retention)
        self._lookup = Lookup(self._requests, self._days, self._swaps)

    def check(self, *, create: bool = False) -> None:
        """Raise StoreError when the table may not be read, or is not there and not to be made."""
        try:
            next(self._requests.query(TENANTS), None)
        except NoTable as error:
            if not create:
                raise StoreError(f"{error}: {how_to_create(self.table)}") from None
            with aws_client.reported(f"make the index table {self.table}"):
                create_table(self.client, self.table)
        self.check_version()

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> list[StoredBefore]:
        """Make blocks live, all or none unless they are too many for one transaction, durable when this returns.

        Returns those of which spans may be deleted.
        """
        self._check_days(blocks, catalog)
        for tenant, day in dict.fromkeys((block.tenant, block.date) for block in blocks):
            self._days.begin(tenant, day)
        for block in blocks:
            self._days.reach(block)
        for (tenant, day), entries in catalog.items():
            self._days.learn(tenant, day, entries)
        stored_before = self._additions.add(blocks)
        self._summaries.forget(blocks)
        return stored_before

    def beyond_catalog(
        self, tenant: str, day: date, entries: frozenset[CatalogEntry], most: int | None = None
    ) -> frozenset[CatalogEntry]:
        """Return the entries for which the catalog of a day has no room."""
        return self._days.beyond(tenant, day, entries, most)

    def replace(self, added: Sequence[Block], removed: Sequence[Block], *, lost: bool = False) -> None:
        """Swap blocks in one transaction; raises IndexConflict when a removed block is not live, or hides more."""
        if len(added) + len(removed) > MAX_REPLACED:
            raise ValueError(f"a swap takes at most {MAX_REPLACED} blocks")
        if not added and not removed:
            return
        for block in added:
            self._days.begin(block.tenant, block.date)
            self._days.reach(block)
        # A transaction holds 4 MB of what there was and will be. Large blocks are compacted by a few at a time; where
        # nothing takes their place they go one by one as well as all at once.
        for some in [removed] if added else transactions(removed):
            self._swaps.swap(added, some, lost=lost)
        self._summaries.forget((*added, *removed))

    def mark_deleted(self, blocks: Sequence[Block], trace_id: bytes) -> None:
        """Hide the spans that live blocks hold of a trace; raises IndexConflict when one of them is not live."""
        for tenant in dict.fromkeys(block.tenant for block in blocks):
            self._deletions.record(tenant, trace_id)
        for block in blocks:
            update = Update(block_key(block), add={"hidden": frozenset({trace_id})}, where=IS_LIVE)
            if not self._requests.update(update):
                raise not_live(block)

    def deletions(self, tenant: str, since_ns: int) -> dict[bytes, int]:
        """Traces of a tenant that were deleted at or after a time, with the time of the last deletion of each."""
        return self._deletions.since(tenant, since_ns)

    def replaced_before(self, before: int) -> list[Block]:
        """Blocks that were replaced before this second since 1970 and are not forgotten."""
        return self._swaps.replaced_before(before)

    def archive_replaced(self, before: int) -> None:
        """Take blocks that were replaced before this second since 1970 out of what queries read."""
        self._swaps.archive_before(before)

    def purge(self, blocks: Sequence[Block]) -> None:
        """Note that the objects of retired blocks are gone."""
        self._swaps.purge(blocks)

    def entries(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """Blocks of one day whose objects are needed: live ones, and retired ones that are not forgotten."""
        items = in_range(self._requests, partition(tenant, day), ids)
        blocks = [to_block(item) for item in items if is_block(item) and is_there(item)]
        return list({block.path: block for block in blocks}.values())

    def live(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """Live blocks of one day."""
        items = in_range(self._requests, partition(tenant, day), ids, archived=False)
        return [to_block(item) for item in items if is_live(item)]

    def find(self, tenant: str, start_ns: int, end_ns: int) -> list[Block]:
        """Live blocks with a span that may touch the inclusive range, latest end first."""
        return self.look_up(tenant, start_ns, end_ns)[0]

    def catalog(self, tenant: str, start_ns: int, end_ns: int) -> frozenset[CatalogEntry]:
        """Attributes of the days whose blocks may touch the inclusive range."""
        return self.look_up(tenant, start_ns, end_ns)[1]

    def entries_at(self, keys: Iterable[Key]) -> frozenset[CatalogEntry]:
        """Return the entries of catalogs that have these keys, as far as they are there."""
        items = self._requests.get(keys).values()
        return frozenset(to_entry(item) for item in items if is_entry(item) and is_there(item))

    def look_up(self, tenant: str, start_ns: int, end_ns: int) -> tuple[list[Block], frozenset[CatalogEntry]]:
        """Return the results of ``find`` and ``catalog``, at the price of one of them: a query for each day."""
        start, end = clamp_ns(start_ns), clamp_ns(end_ns)
        days = self._lookup.days(tenant, start, end)
        found = [block for day in days for block in day.live if block.start_ns <= end and block.end_ns >= start]
        found.sort(key=lambda block: (-block.end_ns, block.id))
        return found, frozenset().union(*(day.catalog for day in days if day.live))

    def known_ids(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> frozenset[str]:
        """Ids of the blocks of one day that are live, retired or were forgotten in the last three days."""
        items = in_range(self._requests, partition(tenant, day), ids, names=("sk",))
        return frozenset(item["sk"].partition("#")[2] for item in items)

    def days(self, tenant: str) -> list[date]:
        """Days of a tenant that the index knows, in order."""
        return sorted(self._days.listed(tenant))

    def get_property(self, name: str) -> str | None:
        """Return a property of the index as a whole."""
        items = self._requests.query(STORE, begins=name)
        return next((str(item["value"]) for item in items if item["sk"] == name), None)

    def claim_property(self, name: str, value: str) -> str:
        """Set a property unless it has a value; the value that it has then."""
        found = self.get_property(name)
        if found is None:
            self._requests.update(Update((STORE, name), once={"value": value}))
            found = self.get_property(name)
        return value if found is None else found

    def set_property(self, name: str, value: str) -> None:
        """Set a property."""
        self._requests.put([{"pk": STORE, "sk": name, "value": value}])

    @property
    def name(self) -> str:
        """The URL of the table."""
        return f"dynamodb://{self.table}"

    def service_time(self) -> int | None:
        """Return the time of DynamoDB's clock in seconds since 1970; None where its answers do not tell it."""
        return self._requests.service_time()

    def tenants(self) -> list[str]:
        """Tenants that have or had blocks, in alphabetical order."""
        return [item["sk"] for item in self._requests.query(TENANTS)]

    def summary(self) -> list[DaySummary]:
        """Return the totals of live blocks by tenant, day and level, in that order.

        Changes by other processes show within a minute.
        """
        return self._summaries.take(self.tenants())

    def expire(self, before: date, tenants: Collection[str] | None = None) -> list[Block]:
        """Forget every day before this one and return the blocks it held, live or replaced."""
        among = self.tenants() if tenants is None else tenants
        days = [(tenant, day) for tenant in among for day in self._days.listed(tenant) if day < before]
        blocks = [block for tenant, day in days for block in self._expire(tenant, day)]
        self._summaries.forget(blocks)
        return sorted(blocks, key=lambda block: (block.tenant, block.date, block.id))

    def begin_merge(self, merge: MergeKey) -> None:
        """Count an attempt at a merge."""
        self._merges.begin(merge)

    def end_merge(self, merge: MergeKey, failure: str = "") -> None:
        """Forget the attempts at a merge; with a failure, keep them and record it."""
        self._merges.end(merge, failure)

    def unfinished_merges(self) -> list[UnfinishedMerge]:
        """Merges that have begun and have not ended."""
        return self._merges.unfinished()

    def unready_reason(self) -> str | None:
        """None: what is wrong with a table shows in each request."""
        return None

    def keep_for(self, retention: timedelta | None) -> None:
        """Renew the time to live of all items when the retention is not what it was."""
        wanted = _in_words(retention)
        if self.get_property(_RETENTION) != wanted:
            renew(self._requests, self._days, self.tenants(), retention)
            self.set_property(_RETENTION, wanted)

    def keep_tenant_for(self, retention: timedelta | None, tenant: str) -> None:
        """Renew the time to live of a tenant's items when the retention is not what it was for that tenant."""
        wanted, name = _in_words(retention), f"{_RETENTION}#{tenant}"
        if (self.get_property(name) or self.get_property(_RETENTION)) != wanted:
            renew(self._requests, self._days, [tenant], retention)
            self.set_property(name, wanted)

    def check_version(self) -> None:
        """Raise StorageCorrupt when a newer spanlake has written the table."""
        version = int(self.claim_property("version", str(_VERSION)))
        if version > _NEWEST_VERSION:
            raise StorageCorrupt(
                f"the index {self.name} is of a newer spanlake (format {version}, this one knows {_NEWEST_VERSION})"
            )

    def close(self) -> None:
        """End the threads that ask for several days at once."""
        self._lookup.close()

    def _check_days(self, blocks: Sequence[Block], catalog: Catalog) -> None:
        for tenant, day in catalog.keys() - {(block.tenant, block.date) for block in blocks}:
            if not self._days.has_begun(tenant, day):
                raise ValueError(f"the catalog speaks of {day}, of which there is no block")

    def _expire(self, tenant: str, day: date) -> list[Block]:
        items = list(self._requests.query(partition(tenant, day)))
        if not any("forgotten" in item for item in items if item["sk"] == DAY_ITEM):
            self._days.mark(tenant, day, [to_entry(item) for item in items if is_entry(item)])
        blocks = [item for item in items if is_block(item)]
        tombstones = [item for item in items if item["sk"].startswith(TOMBSTONE)]
        self._requests.delete(dict.fromkeys(map(key_of, (*blocks, *tombstones))))
        there = [to_block(item) for item in blocks if is_there(item)]
        return list({block.path: block for block in there}.values())


def _in_words(retention: timedelta | None) -> str:
    return "any age" if retention is None else f"{retention // timedelta(seconds=1)} s"
