"""The SQLite file of an index: how it is opened, what stands in it, and what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanlake.store.errors import StorageCorrupt, StorageUnavailable

_APPLICATION = 0x53504C4B  # "SPLK", tells our files from other programs'
_VERSION = 1
_BUSY_SECONDS = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

# last_date: the last day that a span of the day's blocks reaches into.
# generation: changes when a day was forgotten and begun anew, which makes memories of its catalog void.
# replaced: when compaction put another block in place of this one, in seconds since 1970; NULL while it is live.
_SCHEMA = """
    CREATE TABLE day (
        tenant TEXT NOT NULL, date TEXT NOT NULL, last_date TEXT NOT NULL, generation INTEGER NOT NULL,
        PRIMARY KEY (tenant, date)
    ) WITHOUT ROWID;
    CREATE TABLE block (
        tenant TEXT NOT NULL, date TEXT NOT NULL, level INTEGER NOT NULL, id TEXT NOT NULL,
        start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, spans INTEGER NOT NULL, size INTEGER NOT NULL,
        created_ns INTEGER NOT NULL, replaced INTEGER, trace_filter BLOB NOT NULL,
        PRIMARY KEY (tenant, date, level, id)
    ) WITHOUT ROWID;
    CREATE TABLE catalog (
        tenant TEXT NOT NULL, date TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,
        PRIMARY KEY (tenant, date, scope, key, type)
    ) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, creating it if there is none; commits through the connection are durable.

    The connection may pass from thread to thread, one at a time. Raises StorageCorrupt for a file of another program
    or of a newer spanlake, and sqlite3.Error.
    """
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all that happens inside, or nothing when it fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn errors of the file into StorageCorrupt when it is damaged, and into StorageUnavailable otherwise."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
            raise StorageCorrupt(f"the index {path} is not a readable SQLite file: {error}") from error
        raise StorageUnavailable(f"cannot use the index {path}: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"cannot use the index {path}: {error.strerror or error}") from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _is_ours(connection, path):
        with transaction(connection):
            if not _is_ours(connection, path):  # another process may have been quicker
                _create(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    application, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if application == 0 and tables == 0:
        return False
    if application != _APPLICATION:
        raise StorageCorrupt(f"{path} is a database of another program: choose another data directory")
    if version > _VERSION:
        raise StorageCorrupt(f"the index {path} is of a newer spanlake (format {version}, this one knows {_VERSION})")
    return True


def _create(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")
