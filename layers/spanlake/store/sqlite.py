"""The index in a SQLite file."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from spanlake.store.days import clamp_ns, utc_day
from spanlake.store.directories import make_directories
from spanlake.store.errors import IndexConflict
from spanlake.store.index import MAX_REPLACED, Block, Catalog, CatalogEntry, DaySummary
from spanlake.store.known_entries import Day, KnownEntries
from spanlake.store.sqlite_file import connect, reported, transaction

_TOUCH_DAY = """
    INSERT INTO day (tenant, date, last_date, generation) VALUES (?, ?, ?, random())
    ON CONFLICT DO UPDATE SET last_date = excluded.last_date WHERE excluded.last_date > last_date
"""

_PUT_BLOCK = """
    INSERT INTO block (tenant, date, id, level, start_ns, end_ns, spans, size, created_ns, trace_filter)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET start_ns = excluded.start_ns, end_ns = excluded.end_ns, spans = excluded.spans,
        size = excluded.size, trace_filter = excluded.trace_filter
    WHERE replaced IS NULL
"""

_GET_BLOCK = "SELECT replaced IS NULL FROM block WHERE tenant = ? AND date = ? AND level = ? AND id = ?"

_RETIRE_BLOCK = "UPDATE block SET replaced = ? WHERE tenant = ? AND date = ? AND level = ? AND id = ?"

_PUT_ENTRY = "INSERT OR IGNORE INTO catalog (tenant, date, scope, key, type) VALUES (?, ?, ?, ?, ?)"

# A block starts on its day, but its spans may last for more: last_date tells how far.
_FIND = """
    SELECT tenant, date, id, level, start_ns, end_ns, spans, size, created_ns, trace_filter
    FROM day JOIN block USING (tenant, date)
    WHERE tenant = :tenant AND date <= :end_date AND last_date >= :start_date
        AND replaced IS NULL AND start_ns <= :end AND end_ns >= :start
    ORDER BY end_ns DESC, id
"""

_CATALOG = """
    SELECT DISTINCT scope, key, type FROM day JOIN catalog USING (tenant, date)
    WHERE tenant = :tenant AND date <= :end_date AND last_date >= :start_date
"""

_SUMMARY = """
    SELECT tenant, date, level, count(*), sum(spans), sum(size) FROM block
    WHERE replaced IS NULL GROUP BY tenant, date, level ORDER BY tenant, date, level
"""

_EXPIRED = """
    SELECT tenant, date, id, level, start_ns, end_ns, spans, size, created_ns, trace_filter FROM block
    WHERE date < ? ORDER BY tenant, date, id
"""

_EXPIRE = ("DELETE FROM block WHERE date < ?", "DELETE FROM catalog WHERE date < ?", "DELETE FROM day WHERE date < ?")


class SqliteIndex:
    """The index in one SQLite file, which several processes may have open.

    A commit is durable when a method returns. Threads of one process take turns at writing; reads do not wait.
    Raises StorageCorrupt for a file that is damaged, of another program, or of a newer spanlake.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._idle: list[sqlite3.Connection] = []
        self._turn = threading.Lock()  # SQLite takes one write at a time, and waiting for it is polling
        self._known = KnownEntries()
        with reported(self._path):
            make_directories(self._path.parent)
            self._idle.append(connect(self._path))

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> None:
        """Make blocks live, all or none, durable when this returns."""
        with self._turn:
            with self._transaction() as connection:
                _touch_days(connection, blocks)
                days = {_generation(connection, *day): entries for day, entries in catalog.items()}
                for day, entries in days.items():
                    _put_entries(connection, day, self._known.missing(day, entries))
                _put_blocks(connection, blocks)
            for day, entries in days.items():
                self._known.remember(day, entries)

    def replace(self, added: Sequence[Block], removed: Sequence[Block]) -> None:
        """Swap blocks in one transaction; raises IndexConflict when one of the removed blocks is not live."""
        if len(added) + len(removed) > MAX_REPLACED:
            raise ValueError(f"a swap takes at most {MAX_REPLACED} blocks")
        with self._turn, self._transaction() as connection:
            gone = [block for block in removed if not _is_live(connection, block)]
            if gone == list(removed) and None not in [_is_live(connection, block) for block in added]:
                return
            if gone:
                raise IndexConflict(f"the block {gone[0].path} is not live")
            _touch_days(connection, added)
            _put_blocks(connection, added)
            _retire_blocks(connection, removed)

    def find(self, tenant: str, start_ns: int, end_ns: int) -> list[Block]:
        """Live blocks with a span that may touch the inclusive range, latest end first."""
        return [_block(row) for row in self._select(_FIND, _range(tenant, start_ns, end_ns))]

    def catalog(self, tenant: str, start_ns: int, end_ns: int) -> frozenset[CatalogEntry]:
        """Attributes of the days whose blocks may touch the inclusive range."""
        rows = self._select(_CATALOG, _range(tenant, start_ns, end_ns))
        return frozenset(CatalogEntry(*row) for row in rows)

    def tenants(self) -> list[str]:
        """Tenants that have or had blocks, in alphabetical order."""
        return [tenant for (tenant,) in self._select("SELECT DISTINCT tenant FROM day ORDER BY tenant")]

    def summary(self) -> list[DaySummary]:
        """What is live, by tenant, day and level, in that order."""
        return [DaySummary(tenant, date.fromisoformat(day), *rest) for tenant, day, *rest in self._select(_SUMMARY)]

    def expire(self, before: date) -> list[Block]:
        """Forget every day before this one and return the blocks it held, live or replaced."""
        limit = (before.isoformat(),)
        with self._turn, self._transaction() as connection:
            blocks = [_block(row) for row in connection.execute(_EXPIRED, limit)]
            for statement in _EXPIRE:
                connection.execute(statement, limit)
        return blocks

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _select(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(query, parameters or {}).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection, transaction(connection):
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; one that has failed is not used again."""
        with reported(self._path):
            connection = self._borrow()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    def _borrow(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path)


def _touch_days(connection: sqlite3.Connection, blocks: Iterable[Block]) -> None:
    rows = [(block.tenant, block.date.isoformat(), utc_day(block.end_ns).isoformat()) for block in blocks]
    connection.executemany(_TOUCH_DAY, rows)


def _generation(connection: sqlite3.Connection, tenant: str, day: date) -> Day:
    question = "SELECT generation FROM day WHERE tenant = ? AND date = ?"
    row = connection.execute(question, (tenant, day.isoformat())).fetchone()
    if row is None:
        raise ValueError(f"the catalog speaks of {day}, of which there is no block")
    return tenant, day, row[0]


def _put_entries(connection: sqlite3.Connection, day: Day, entries: Iterable[CatalogEntry]) -> None:
    tenant, on, _ = day
    rows = [(tenant, on.isoformat(), entry.scope, entry.key, entry.type) for entry in entries]
    connection.executemany(_PUT_ENTRY, rows)


def _put_blocks(connection: sqlite3.Connection, blocks: Iterable[Block]) -> None:
    connection.executemany(_PUT_BLOCK, [_row(block) for block in blocks])


def _retire_blocks(connection: sqlite3.Connection, blocks: Iterable[Block]) -> None:
    now = int(time.time())
    connection.executemany(_RETIRE_BLOCK, [(now, *_key(block)) for block in blocks])


def _is_live(connection: sqlite3.Connection, block: Block) -> bool | None:
    """Whether a block is live, None when the index knows nothing of it."""
    row = connection.execute(_GET_BLOCK, _key(block)).fetchone()
    return None if row is None else bool(row[0])


def _key(block: Block) -> tuple[str, str, int, str]:
    return block.tenant, block.date.isoformat(), block.level, block.id


def _row(block: Block) -> tuple[Any, ...]:
    numbers = (block.level, block.start_ns, block.end_ns, block.spans, block.size, block.created_ns)
    return block.tenant, block.date.isoformat(), block.id, *numbers, block.trace_filter


def _block(row: Sequence[Any]) -> Block:
    tenant, day, *rest = row
    return Block(tenant, date.fromisoformat(day), *rest)


def _range(tenant: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "start": clamp_ns(start_ns),
        "end": clamp_ns(end_ns),
        "start_date": utc_day(start_ns).isoformat(),
        "end_date": utc_day(end_ns).isoformat(),
    }
