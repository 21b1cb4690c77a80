"""The DuckDB instance: in memory, closed to the network and the file system; and the watchdog of its statements."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB as Dialect  # by name, a thread could meet it half loaded

from spanlake.query.compile.sql import memory_tables
from spanlake.query.engine.base import Scan, Traits
from spanlake.query.engine.session import USUAL_POLICY, Cancellation, QueryPolicy, Session
from spanlake.query.limits import OF_TENANT, Cancelled, LimitExceeded, Limits
from spanlake.store.errors import StorageTimeout, StorageUnavailable

if TYPE_CHECKING:
    from spanlake.query.engine.httpfs import HttpfsCredentials


_PULSE_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class Watched:
    """A running statement: whether it must end, and how to make it."""

    must_end: Callable[[], bool]
    interrupt: Callable[[], None]


class Watchdog:
    """Interrupts statements that must end, again and again until they do.

    DuckDB forgets an interruption that comes before the statement has begun. Share the watchdog between threads. Its
    own thread ends when nothing runs.
    """

    def __init__(self) -> None:
        self._running: set[Watched] = set()
        self._is_awake = False
        self._lock = threading.Lock()

    @contextmanager
    def over(self, statement: Watched) -> Iterator[None]:
        """Watch a statement while it runs in this block; after it none is interrupted any more."""
        with self._lock:
            if not self._is_awake:
                threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
                self._is_awake = True
            self._running.add(statement)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(statement)

    def _watch(self) -> None:
        while True:
            time.sleep(_PULSE_SECONDS)
            with self._lock:
                self._is_awake = False  # so that another thread goes on if this one fails
                for statement in self._running:
                    if statement.must_end():
                        statement.interrupt()
                if not self._running:
                    return
                self._is_awake = True


_MACROS = (
    # An integer to a power of at least 0, exactly; an error beyond 64 bits. NULL to the power of 0 is NULL, too.
    """CREATE MACRO integer_power(base, exponent) AS list_reduce(
        list_resize([]::BIGINT[], exponent, base), lambda x, y: x * y, 0 * base + 1::BIGINT
    )""",
    # The powers of two around a positive number, given the nearest one by its logarithm, which may be off beside the
    # middle between two powers, and only there.
    """CREATE MACRO power_above(number, nearest) AS CASE
        WHEN number = 'Infinity' THEN 1024 ELSE (nearest + (number > pow(2, nearest))::INTEGER)::INTEGER
    END""",
    """CREATE MACRO power_below(number, nearest) AS CASE
        WHEN number = 'Infinity' THEN 1024 ELSE (nearest - (number < pow(2, nearest))::INTEGER)::INTEGER
    END""",
    # Of an integer as its nearest float: past 2^53 that is the power itself for up to its 2^53th part above it.
    """CREATE MACRO integer_power_above(number, nearest) AS
        (nearest + (((number - 1 - (number >> 53)) >> nearest) > 0)::INTEGER)::INTEGER
    """,
)
_CACHED = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"
_NO_TABLES: Mapping[str, pa.Table] = MappingProxyType({})
_HTTP_STATUS = re.compile(r"HTTP \d{3}")
_NO_ANSWER = re.compile(r"time-?(d )?out", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RenewalPolicy:
    """When another instance of the library takes the place of one that keeps too much of blocks that were read.

    Metadata of a small block takes 120 KB, and DuckDB forgets none of blocks that were merged long ago. Where as many
    blocks as that are live, they have to be read again.
    """

    memory_share: int = 8  # part of the memory that metadata of blocks may take
    least_seconds: float = 30.0  # between two instances


USUAL_RENEWAL = RenewalPolicy()


class DuckDB:
    """An ``Engine`` in this process.

    It reads Parquet below the given directories, one of them perhaps in S3, and nothing else. Another instance of the
    library takes the place of one that keeps too much of blocks that were read. Share it between threads.
    """

    name = "DuckDB"
    traits = Traits(knows_rows=True, is_quick=True)

    def __init__(
        self,
        directories: Sequence[str],
        limits: Limits | None = None,
        remote: "HttpfsCredentials | None" = None,
        renewal: RenewalPolicy = USUAL_RENEWAL,
    ) -> None:
        self.limits = limits or Limits()
        self._renewal = renewal
        self._lock = threading.Lock()
        self._remote = remote
        self._watchdog = Watchdog()
        self._directories = [*directories] if remote is None else [*directories, remote.directory]
        self._root = self._opened()
        self._looked = time.monotonic()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        root = duckdb.connect(":memory:", config=self._config())
        root.execute("SET GLOBAL parquet_metadata_cache = true")
        for macro in _MACROS:
            root.execute(macro)
        if self._remote is not None:
            self._remote.prepare(root)
        root.execute("SET allowed_directories = ?", [self._directories])
        root.execute("SET enable_external_access = false")
        root.execute("SET lock_configuration = true")
        return root

    def _renew(self) -> None:
        """Open another instance where this one keeps too much; running statements have the former to their end."""
        if (now := time.monotonic()) - self._looked < self._renewal.least_seconds:
            return
        self._looked = now
        (kept,) = self._root.execute(_CACHED).fetchone() or (0,)
        if kept > self.limits.memory_bytes // self._renewal.memory_share:
            former, self._root = self._root, self._opened()
            threading.Thread(target=_release, args=(former,), daemon=True).start()

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "memory_limit": f"{self.limits.memory_bytes}B",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
            "enable_external_file_cache": self._remote is not None,  # of files on disk the kernel has a cache
        }
        return config | ({"threads": self.limits.threads} if self.limits.threads else {})

    def session(self, cancellation: Cancellation | None = None, policy: QueryPolicy = USUAL_POLICY) -> Session:
        """Open a session within the tenant's limits; its deadline starts now. Raises StoreError."""
        with self._lock:
            self._renew()
            if self._remote is not None:
                self._remote.refresh(self._root)
        return Session(self, self.limits.within(OF_TENANT.get()), cancellation or Cancellation(), policy)

    def relation(self, scan: Scan, columns: Iterable[str], *, row_id: bool) -> exp.Select:
        """Return the rows of the scan's files."""
        return scan.table(columns, row_id=row_id)

    def run(
        self,
        query: exp.Query,
        outputs: pa.Schema | None,  # noqa: ARG002 - DuckDB tells the types itself
        check: Callable[[], None],
        *,
        large: bool = False,
    ) -> pa.Table:
        """Run a query; all cores gather a ``large`` answer. See ``Engine``."""
        return self.execute(query.sql(Dialect, copy=False), check, memory_tables(query), large=large)

    def execute(
        self,
        sql: str,
        check: Callable[[], None],
        tables: Mapping[str, pa.Table] = _NO_TABLES,
        *,
        large: bool = False,
    ) -> pa.Table:
        """Run a statement whose text is part of the program, and that may read Arrow tables; see ``run``."""
        check()
        with self._lock:
            cursor = self._root.cursor()  # alone knows the tables
        try:
            with closing(cursor):
                for name, table in tables.items():
                    cursor.register(name, table)
                with self._watchdog.over(Watched(partial(_is_over, check), cursor.interrupt)):
                    return (cursor.sql if large else cursor.execute)(sql).to_arrow_table()
        except duckdb.InterruptException:
            check()
            raise
        except duckdb.OutOfMemoryException:
            raise _out_of_memory(self.limits) from None
        except duckdb.IOException as error:  # S3's refusals among them
            raise _unreadable(str(error)) from error

    def close(self) -> None:
        """Release memory; running statements fail."""
        self._root.close()


def _is_over(check: Callable[[], None]) -> bool:
    """True when nobody waits for a statement any more."""
    try:
        check()
    except (Cancelled, LimitExceeded):
        return True
    return False


def _out_of_memory(limits: Limits) -> LimitExceeded:
    return LimitExceeded(
        f"the query needs more than {limits.memory_bytes >> 20} MiB of memory: ask for a shorter time range or fewer "
        "groups, or raise --query-memory"
    )


def _unreadable(reason: str) -> StorageUnavailable:
    """Turn DuckDB's message on an unreadable block into an error of the store."""
    status = _HTTP_STATUS.search(reason)
    if status is None and _NO_ANSWER.search(reason):
        return StorageTimeout("cannot read blocks: the storage did not answer")
    return StorageUnavailable(f"cannot read blocks: {status[0] if status else 'the storage failed'}")


def _release(_: duckdb.DuckDBPyConnection) -> None:
    """Hold the last reference to an instance, whose memory takes a tenth of a second to release."""
