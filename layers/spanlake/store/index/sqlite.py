"""The index in a SQLite file."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from spanlake.store.blocks.block import MAX_REPLACED, MOST_ENTRIES, Block, CatalogEntry, DaySummary
from spanlake.store.days import clamp_ns, utc_day
from spanlake.store.disk import Reserve, make_directories
from spanlake.store.errors import IndexConflict, StorageUnavailable
from spanlake.store.index import sqlite_merges
from spanlake.store.index.base import ALL_IDS, Catalog, IdRange, MergeKey, StoredBefore, UnfinishedMerge
from spanlake.store.index.catalog import CatalogCache, Day, without_room
from spanlake.store.index.sqlite_schema import (
    BUSY_SECONDS,
    IndexHealth,
    check_pages,
    connect,
    damaged,
    is_full,
    reported,
    transaction,
)
from spanlake.store.index.sqlite_statements import (
    CATALOG,
    DAY_CATALOG,
    DELETIONS,
    ENTRIES,
    EXPIRE,
    EXPIRED,
    FIND,
    FORGET_BLOCK,
    FORGET_DELETIONS,
    GENERATION,
    GET_HIDDEN,
    KNOWN_IDS,
    LIVE,
    NOTE_LOST,
    PUT_BLOCK,
    PUT_DELETION,
    PUT_ENTRY,
    RETIRE_BLOCK,
    RETIRED,
    SET_HIDDEN,
    STORED_BEFORE,
    SUMMARY,
    TOUCH_DAY,
    WAS_LIVE,
    id_parameters,
    key_of,
    range_parameters,
    row_of,
    to_block,
    to_day_summary,
    to_ids,
)

T = TypeVar("T")


class SqliteIndex:
    """The index in one SQLite file, which several processes may have open.

    A commit is durable when a method returns. Threads of one process take turns at writing; reads do not wait.
    Raises StorageCorrupt for a file that is damaged, of another program, or of a newer spanlake.
    """

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS, most_entries: int = MOST_ENTRIES) -> None:
        self._most_entries = most_entries  # of a day's catalog
        self._busy_seconds = busy_seconds
        self._path = path.resolve()
        self._idle: list[sqlite3.Connection] = []
        self._turn = threading.Lock()  # SQLite takes one write at a time, and waiting for it is polling
        self._known = CatalogCache()
        self._reserve = Reserve(self._path.with_name(f".{self._path.name}.reserve"))
        self._with_reserve(self._open)
        self._health = IndexHealth(self._path)
        self._reserve.fill()

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> list[StoredBefore]:
        """Make blocks live, all or none, durable when this returns; those of which spans may be deleted."""
        with self._turn:
            with self._transaction() as connection:
                _touch_days(connection, blocks)
                days = {_generation(connection, *day): entries for day, entries in catalog.items()}
                for day, entries in days.items():
                    _put_entries(connection, day, self._known.missing(day, entries))
                _put_blocks(connection, blocks)
                stored_before = _stored_before(connection, blocks)
            for day, entries in days.items():
                self._known.remember(day, entries)
        return stored_before

    def beyond_catalog(
        self, tenant: str, day: date, entries: frozenset[CatalogEntry], most: int | None = None
    ) -> frozenset[CatalogEntry]:
        """Return the entries for which the catalog of a day has no room."""
        generation = self._select(GENERATION, (tenant, day.isoformat()))
        about = (tenant, day, generation[0][0]) if generation else None
        missing = entries if about is None else self._known.missing(about, entries)
        if not missing:
            return frozenset()
        there = frozenset(CatalogEntry(*row) for row in self._select(DAY_CATALOG, (tenant, day.isoformat())))
        return without_room(
            missing - there, len(there), self._most_entries if most is None else min(most, self._most_entries)
        )

    def replace(self, added: Sequence[Block], removed: Sequence[Block], *, lost: bool = False) -> None:
        """Swap blocks in one transaction; raises IndexConflict when a removed block is not live, or hides more."""
        if len(added) + len(removed) > MAX_REPLACED:
            raise ValueError(f"a swap takes at most {MAX_REPLACED} blocks")
        with self._turn, self._transaction() as connection:
            hidden = {block.path: _hidden(connection, block) for block in removed}
            if set(hidden.values()) <= {None} and all(_is_known(connection, block) for block in added):
                return
            for block in removed:
                if hidden[block.path] is None:
                    raise _not_live(block)
                if hidden[block.path] != block.hidden:
                    raise IndexConflict(f"the block {block.path} hides other traces by now")
            _touch_days(connection, added)
            _put_blocks(connection, added)
            _execute_all(connection, (*RETIRE_BLOCK, *([NOTE_LOST] if lost else [])), removed)

    def mark_deleted(self, blocks: Sequence[Block], trace_id: bytes) -> None:
        """Hide the spans that live blocks hold of a trace; raises IndexConflict, and hides nothing, if one is not."""
        now = time.time_ns()
        with self._turn, self._transaction() as connection:
            for block in blocks:
                hidden = _hidden(connection, block)
                if hidden is None:
                    raise _not_live(block)
                connection.execute(SET_HIDDEN, key_of(block) | {"hidden": b"".join(sorted(hidden | {trace_id}))})
            tenants = dict.fromkeys(block.tenant for block in blocks)
            connection.executemany(PUT_DELETION, [(tenant, trace_id, now) for tenant in tenants])

    def deletions(self, tenant: str, since_ns: int) -> dict[bytes, int]:
        """Traces of a tenant that were deleted at or after a time, with the time of the last deletion of each."""
        return dict(self._select(DELETIONS, {"tenant": tenant, "since": clamp_ns(since_ns)}))

    def replaced_before(self, before: int) -> list[Block]:
        """Blocks that were replaced before this second since 1970 and are not forgotten."""
        return self._blocks(RETIRED, {"before": before})

    def archive_replaced(self, before: int) -> None:
        """Do nothing: replaced blocks have a table of their own."""

    def purge(self, blocks: Sequence[Block]) -> None:
        """Note that the objects of retired blocks are gone."""
        with self._turn:
            self._with_reserve(lambda: self._forget(blocks))

    def _forget(self, blocks: Sequence[Block]) -> None:
        with self._transaction() as connection:
            _execute_all(connection, FORGET_BLOCK, blocks)

    def entries(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """Blocks of one day whose objects are needed: live ones, and retired ones that are not forgotten."""
        return self._blocks(ENTRIES, id_parameters(tenant, day, ids))

    def live(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """Live blocks of one day."""
        return self._blocks(LIVE, id_parameters(tenant, day, ids))

    def find(self, tenant: str, start_ns: int, end_ns: int) -> list[Block]:
        """Live blocks with a span that may touch the inclusive range, latest end first."""
        return self._blocks(FIND, range_parameters(tenant, start_ns, end_ns))

    def catalog(self, tenant: str, start_ns: int, end_ns: int) -> frozenset[CatalogEntry]:
        """Attributes of the days whose blocks may touch the inclusive range."""
        rows = self._select(CATALOG, range_parameters(tenant, start_ns, end_ns))
        return frozenset(CatalogEntry(*row) for row in rows)

    def look_up(self, tenant: str, start_ns: int, end_ns: int) -> tuple[list[Block], frozenset[CatalogEntry]]:
        """Return the results of ``find`` and ``catalog``."""
        return self.find(tenant, start_ns, end_ns), self.catalog(tenant, start_ns, end_ns)

    def known_ids(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> frozenset[str]:
        """Ids of the blocks of one day that are live, retired or forgotten."""
        rows = self._select(KNOWN_IDS, id_parameters(tenant, day, ids))
        return frozenset(id_ for (id_,) in rows)

    def days(self, tenant: str) -> list[date]:
        """Days of a tenant that the index knows, in order."""
        rows = self._select("SELECT date FROM day WHERE tenant = :tenant ORDER BY date", {"tenant": tenant})
        return [date.fromisoformat(day) for (day,) in rows]

    def get_property(self, name: str) -> str | None:
        """Return a property of the index as a whole."""
        rows = self._select("SELECT value FROM identity WHERE name = :name", {"name": name})
        return rows[0][0] if rows else None

    def claim_property(self, name: str, value: str) -> str:
        """Set a property unless it has a value; the value that it has then."""
        with self._turn, self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO identity (name, value) VALUES (?, ?)", (name, value))
            row = connection.execute("SELECT value FROM identity WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def set_property(self, name: str, value: str) -> None:
        """Set a property, durable when this returns."""
        with self._turn, self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO identity (name, value) VALUES (?, ?)", (name, value))

    @property
    def name(self) -> str:
        """The path of the file."""
        return str(self._path)

    def service_time(self) -> int | None:
        """None: the machine's clock is the only one."""
        return None

    def tenants(self) -> list[str]:
        """Tenants that have or had blocks, in alphabetical order."""
        return [tenant for (tenant,) in self._select("SELECT DISTINCT tenant FROM day ORDER BY tenant")]

    def summary(self) -> list[DaySummary]:
        """Return the totals of live blocks by tenant, day and level, in that order."""
        return self._parsed(self._select(SUMMARY), to_day_summary)

    def expire(self, before: date, tenants: Collection[str] | None = None) -> list[Block]:
        """Forget every day before this one and return the blocks it held, live or replaced."""
        limit = {"before": before.isoformat(), "tenants": None if tenants is None else json.dumps([*tenants])}
        with self._turn:
            return self._with_reserve(lambda: self._expire(limit))

    def _expire(self, limit: Mapping[str, str | None]) -> list[Block]:
        with self._transaction() as connection:
            blocks = self._parsed(connection.execute(EXPIRED, limit), to_block)
            for statement in EXPIRE:
                connection.execute(statement, limit)
            if blocks:
                connection.execute(FORGET_DELETIONS)
        return blocks

    def begin_merge(self, merge: MergeKey) -> None:
        """Count an attempt at a merge."""
        with self._turn, self._transaction() as connection:
            sqlite_merges.begin(connection, merge)

    def end_merge(self, merge: MergeKey, failure: str = "") -> None:
        """Forget the attempts at a merge; with a failure, keep them and record it."""
        with self._turn, self._transaction() as connection:
            sqlite_merges.end(connection, merge, failure)

    def unfinished_merges(self) -> list[UnfinishedMerge]:
        """Merges that have begun and have not ended."""
        with self._connection() as connection:
            return sqlite_merges.unfinished(connection)

    def unready_reason(self) -> str | None:
        """Why the index cannot be used until somebody mends it; None when it can."""
        return self._health.unready_reason()

    def keep_for(self, retention: timedelta | None) -> None:
        """Nothing: entries stay until ``expire``."""

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> None:
        with reported(self._path):
            make_directories(self._path.parent)
            connection = connect(self._path, self._busy_seconds)
            check_pages(connection, self._path)
            self._idle.append(connection)

    def _with_reserve(self, work: Callable[[], T]) -> T:
        """Do what may free space or has to be done on a full disk, in the reserved space if there is no other."""
        try:
            return work()
        except StorageUnavailable as error:
            if not is_full(error) or not self._reserve.release():
                raise
        try:
            return work()
        finally:
            self._reserve.fill()

    def _blocks(self, query: str, parameters: Mapping[str, Any]) -> list[Block]:
        return self._parsed(self._select(query, parameters), to_block)

    def _parsed(self, rows: Iterable[Any], parse: Callable[[Any], T]) -> list[T]:
        """Rows as what they stand for; raises StorageCorrupt for one that makes no sense."""
        with self._health.noted():
            try:
                return [parse(row) for row in rows]
            except (TypeError, ValueError) as error:
                raise damaged(self._path, error) from error

    def _select(self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(query, parameters or {}).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection, transaction(connection):
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; one that has failed is not used again.

        The file must be there before and after: what is written into a deleted file is lost.
        """
        with self._health.noted(), reported(self._path):
            self._health.check()
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = connect(self._path, self._busy_seconds)
            try:
                yield connection
                self._health.check()
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)


def _touch_days(connection: sqlite3.Connection, blocks: Iterable[Block]) -> None:
    rows = [(block.tenant, block.date.isoformat(), utc_day(block.end_ns).isoformat()) for block in blocks]
    connection.executemany(TOUCH_DAY, rows)


def _generation(connection: sqlite3.Connection, tenant: str, day: date) -> Day:
    question = "SELECT generation FROM day WHERE tenant = ? AND date = ?"
    row = connection.execute(question, (tenant, day.isoformat())).fetchone()
    if row is None:
        raise ValueError(f"the catalog speaks of {day}, of which there is no block")
    return tenant, day, row[0]


def _put_entries(connection: sqlite3.Connection, day: Day, entries: Iterable[CatalogEntry]) -> None:
    tenant, on, _ = day
    rows = [(tenant, on.isoformat(), entry.scope, entry.key, entry.type) for entry in entries]
    connection.executemany(PUT_ENTRY, rows)


def _put_blocks(connection: sqlite3.Connection, blocks: Iterable[Block]) -> None:
    connection.executemany(PUT_BLOCK, [row_of(block) for block in blocks])


def _stored_before(connection: sqlite3.Connection, blocks: Iterable[Block]) -> list[StoredBefore]:
    rows = ((block, connection.execute(STORED_BEFORE, key_of(block)).fetchone()) for block in blocks)
    known = ((block, *row) for block, row in rows if row is not None)
    return [
        StoredBefore(block, created, None if hidden is None else to_ids(hidden)) for block, created, hidden in known
    ]


def _execute_all(connection: sqlite3.Connection, statements: Iterable[str], blocks: Sequence[Block]) -> None:
    for statement in statements:
        connection.executemany(statement, [key_of(block) for block in blocks])


def _hidden(connection: sqlite3.Connection, block: Block) -> frozenset[bytes] | None:
    """Return the traces that a live block hides; None for a block that is not live."""
    row = connection.execute(GET_HIDDEN, key_of(block)).fetchone()
    return None if row is None else to_ids(row[0])


def _is_known(connection: sqlite3.Connection, block: Block) -> bool:
    """Return True for a block that is or was live."""
    return any(connection.execute(question, key_of(block)).fetchone() for question in (GET_HIDDEN, WAS_LIVE))


def _not_live(block: Block) -> IndexConflict:
    return IndexConflict(f"the block {block.path} is not live")
