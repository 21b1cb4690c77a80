"""Attempts to merge blocks, in the SQLite file of an index. The table is made when the first merge begins."""

import sqlite3
import time
from datetime import date

from spanlake.store.index.base import MergeKey, UnfinishedMerge

_CREATE = """
    CREATE TABLE IF NOT EXISTS unfinished_merge (
        tenant TEXT NOT NULL, date TEXT NOT NULL, id TEXT NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
        seconds INTEGER NOT NULL, PRIMARY KEY (tenant, date, id)
    ) WITHOUT ROWID
"""
_IS_THERE = "SELECT count(*) FROM sqlite_master WHERE name = 'unfinished_merge'"
_BEGIN = """
    INSERT INTO unfinished_merge (tenant, date, id, attempts, reason, seconds) VALUES (?, ?, ?, 1, '', ?)
    ON CONFLICT DO UPDATE SET attempts = attempts + 1, seconds = excluded.seconds
"""
_END = "DELETE FROM unfinished_merge WHERE tenant = ? AND date = ? AND id = ?"
_FAIL = "UPDATE unfinished_merge SET reason = ?, seconds = ? WHERE tenant = ? AND date = ? AND id = ?"
_ALL = "SELECT tenant, date, id, attempts, reason, seconds FROM unfinished_merge ORDER BY tenant, date, id"


def begin(connection: sqlite3.Connection, merge: MergeKey) -> None:
    """Count an attempt."""
    connection.execute(_CREATE)
    connection.execute(_BEGIN, (*_spelled(merge), int(time.time())))


def end(connection: sqlite3.Connection, merge: MergeKey, failure: str) -> None:
    """Forget the attempts, or record why the last one failed."""
    if failure:
        connection.execute(_FAIL, (failure, int(time.time()), *_spelled(merge)))
    else:
        connection.execute(_END, _spelled(merge))


def unfinished(connection: sqlite3.Connection) -> list[UnfinishedMerge]:
    """Return all merges that have begun and have not ended."""
    if not connection.execute(_IS_THERE).fetchone()[0]:
        return []
    rows = connection.execute(_ALL).fetchall()
    return [UnfinishedMerge(MergeKey(tenant, date.fromisoformat(day), id_), *rest) for tenant, day, id_, *rest in rows]


def _spelled(merge: MergeKey) -> tuple[str, str, str]:
    return merge.tenant, merge.date.isoformat(), merge.id
