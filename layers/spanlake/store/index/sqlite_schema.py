"""The SQLite file of an index: tables, versions, errors and checks."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanlake.store.errors import StorageCorrupt, StorageUnavailable

_CHECKED_BYTES = 256 << 20  # of a file that is read whole when it is opened, which takes 1 s a GiB
_REMEDY = "restore it from a backup, or move it away and run spanlake reindex"


class IndexHealth:
    """The state of one index file while a process has it open. Share it between threads."""

    def __init__(self, path: Path) -> None:
        """``path`` names a file that has just been opened; raises OSError."""
        self._path = path
        self._identity = _identity(path)
        self._damage: str | None = None

    def unready_reason(self) -> str | None:
        """Why the index cannot be used until somebody mends it; None when it can."""
        if self._damage is not None:
            return self._damage
        try:
            self.check()
        except StorageUnavailable as error:
            return str(error)
        return None

    def check(self) -> None:
        """Raise StorageUnavailable when the path is not the opened file: what is written there would be lost."""
        if _identity(self._path) != self._identity:
            raise StorageUnavailable(
                f"the index {self._path} was deleted or replaced while it was open: {_REMEDY}, then restart the server"
            )

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Remember damage that is found inside."""
        try:
            yield
        except StorageCorrupt as error:
            self._damage = str(error)
            raise


def check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageCorrupt when a page of the file is damaged; large files are not read."""
    if path.stat().st_size > _CHECKED_BYTES:
        return
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, found)


def damaged(path: Path, reason: object) -> StorageCorrupt:
    """Return the error that names a damaged index, and what to do."""
    return StorageCorrupt(f"the index {path} is damaged ({str(reason).splitlines()[-1]}): {_REMEDY}")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None when it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


_APPLICATION = 0x53504C4B  # "SPLK", tells our files from other programs'
_VERSION = 3
_NEWEST_VERSION = _VERSION + 1  # a version is read one release before it is written, see block_schema.py
BUSY_SECONDS = 10.0
_BUSY_PAUSE_SECONDS = 0.005
# In one statement, lest another process make the file what it should be in between.
_WHAT_IT_IS = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version
"""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}

# last_date: the last day that a span of the day's blocks reaches into.
# generation: changes when a day was forgotten and begun anew, which makes memories of its catalog void.
# hidden: ids of traces, of 16 bytes each, one after the other in order.
# replaced: when the block ceased to be live, in seconds since 1970. Apart from the live ones, since a busy day has
# millions of blocks that were live once, and queries should not have to wade through them.
_BLOCK_COLUMNS = """
    tenant TEXT NOT NULL, date TEXT NOT NULL, level INTEGER NOT NULL, id TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, spans INTEGER NOT NULL, size INTEGER NOT NULL,
    created_ns INTEGER NOT NULL, trace_filter BLOB NOT NULL, hidden BLOB NOT NULL,
    uncompressed_size INTEGER NOT NULL DEFAULT 0, checksum INTEGER
"""
# The version stays as it is for these columns: an older spanlake reads and writes the tables with them.
_OPTIONAL_COLUMNS = {"uncompressed_size": "INTEGER NOT NULL DEFAULT 0", "checksum": "INTEGER"}
_HAS_COLUMN = "SELECT count(*) FROM pragma_table_info('block') WHERE name = ?"
_OF_VERSION_2 = f"""
    CREATE TABLE block ({_BLOCK_COLUMNS}, PRIMARY KEY (tenant, date, level, id)) WITHOUT ROWID;
    CREATE TABLE retired (
        {_BLOCK_COLUMNS}, replaced INTEGER NOT NULL, PRIMARY KEY (tenant, date, level, id)
    ) WITHOUT ROWID;
    CREATE TABLE forgotten (
        tenant TEXT NOT NULL, date TEXT NOT NULL, level INTEGER NOT NULL, id TEXT NOT NULL,
        PRIMARY KEY (tenant, date, level, id)
    ) WITHOUT ROWID;
"""
# created_ns of forgotten: 0 where an older version has forgotten the block.
# deleted_ns: when the trace was last deleted, in nanoseconds since 1970.
_OF_VERSION_3 = """
    ALTER TABLE forgotten ADD COLUMN created_ns INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE deletion (
        tenant TEXT NOT NULL, trace_id BLOB NOT NULL, deleted_ns INTEGER NOT NULL, PRIMARY KEY (tenant, trace_id)
    ) WITHOUT ROWID;
    CREATE TABLE identity (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_SCHEMA = f"""
    CREATE TABLE day (
        tenant TEXT NOT NULL, date TEXT NOT NULL, last_date TEXT NOT NULL, generation INTEGER NOT NULL,
        PRIMARY KEY (tenant, date)
    ) WITHOUT ROWID;
    {_OF_VERSION_2}
    CREATE TABLE catalog (
        tenant TEXT NOT NULL, date TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,
        PRIMARY KEY (tenant, date, scope, key, type)
    ) WITHOUT ROWID;
    {_OF_VERSION_3}
"""

_COPIED = "tenant, date, level, id, start_ns, end_ns, spans, size, created_ns, trace_filter"
_FROM_VERSION_1 = f"""
    ALTER TABLE block RENAME TO former;
    {_OF_VERSION_2}
    INSERT INTO block ({_COPIED}, hidden) SELECT {_COPIED}, x'' FROM former WHERE replaced IS NULL;
    INSERT INTO retired ({_COPIED}, hidden, replaced) SELECT {_COPIED}, x'', replaced FROM former
        WHERE replaced IS NOT NULL;
    DROP TABLE former;
    {_OF_VERSION_3}
"""  # noqa: S608, names of columns


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the file, creating it if there is none; commits through the connection are durable.

    The connection may pass from thread to thread, one at a time. Raises StorageCorrupt for a file of another program
    or of a newer spanlake, and sqlite3.Error.
    """
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path, busy_seconds)
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


def is_full(error: StorageUnavailable) -> bool:
    """True when the disk may be full: SQLite tells of space that its shared memory lacks as an error of the disk."""
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF in _FULL


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn errors of the file into StorageCorrupt when it is damaged, and into StorageUnavailable otherwise."""
    try:
        yield
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGED:  # extended codes end in the plain one
            raise damaged(path, error) from error
        raise StorageUnavailable(f"cannot use the index {path}: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"cannot use the index {path}: {error.strerror or error}") from error


def _prepare(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    if _version(connection, path) < _VERSION:
        with transaction(connection):
            _bring_up_to_date(connection, _version(connection, path))  # another process may have been quicker
    _write_ahead(connection, busy_seconds)
    connection.execute("PRAGMA synchronous = FULL")
    if _missing_columns(connection):
        with transaction(connection):
            _add_missing_columns(connection)  # another process may have been quicker


def _missing_columns(connection: sqlite3.Connection) -> list[str]:
    return [name for name in _OPTIONAL_COLUMNS if not connection.execute(_HAS_COLUMN, (name,)).fetchone()[0]]


def _add_missing_columns(connection: sqlite3.Connection) -> None:
    for name in _missing_columns(connection):
        for table in ("block", "retired"):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {_OPTIONAL_COLUMNS[name]}")


def _write_ahead(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Turn on the write-ahead log, which fails at once while another process does the same to a new file."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a file of ours, 0 of an empty one."""
    application, version, tables = connection.execute(_WHAT_IT_IS).fetchone()
    if application == 0 and tables == 0:
        return 0
    if application != _APPLICATION:
        raise StorageCorrupt(f"{path} is a database of another program: choose another data directory")
    if version > _NEWEST_VERSION:
        raise StorageCorrupt(
            f"the index {path} is of a newer spanlake (format {version}, this one knows {_NEWEST_VERSION})"
        )
    return int(version)


def _bring_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    steps = {0: _SCHEMA, 1: _FROM_VERSION_1, 2: _OF_VERSION_3, _VERSION: ""}
    for statement in steps[version].split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")
