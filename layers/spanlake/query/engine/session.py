"""DuckDB as spanlake uses it: in memory, closed to the world, one cursor a request, stopped when time is up."""

import copy
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB  # by name, a thread could meet it half loaded

from spanlake.query.engine.base import Outside
from spanlake.query.engine.watchdog import Watchdog, Watched
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.store.errors import StorageTimeout, StorageUnavailable
from spanlake.store.index.base import Block

if TYPE_CHECKING:
    from spanlake.query.engine.httpfs import Remote

_MACROS = (
    # An integer to a power of at least 0, exactly; an error beyond 64 bits.
    """CREATE MACRO integer_power(base, exponent) AS list_reduce(
        list_resize([]::BIGINT[], exponent, base), lambda x, y: x * y, 1::BIGINT
    )""",
    # The powers of two around a positive float; a logarithm alone is off beside a power of two, and only there.
    """CREATE MACRO power_above(number) AS CASE
        WHEN abs(log2(number) - round(log2(number))) BETWEEN 1e-9 AND 0.5 THEN ceil(log2(number))
        WHEN number = 'Infinity' THEN 1024
        WHEN number <= pow(2, ceil(log2(number)) - 1) THEN ceil(log2(number)) - 1
        WHEN number > pow(2, ceil(log2(number))) THEN ceil(log2(number)) + 1
        ELSE ceil(log2(number))
    END::INTEGER""",
    """CREATE MACRO power_below(number) AS CASE
        WHEN abs(log2(number) - round(log2(number))) BETWEEN 1e-9 AND 0.5 THEN floor(log2(number))
        WHEN number = 'Infinity' THEN 1024
        WHEN number < pow(2, floor(log2(number))) THEN floor(log2(number)) - 1
        WHEN number >= pow(2, floor(log2(number)) + 1) THEN floor(log2(number)) + 1
        ELSE floor(log2(number))
    END::INTEGER""",
)
_HTTP_STATUS = re.compile(r"HTTP \d{3}")


_NO_ANSWER = re.compile(r"time-?(d )?out", re.IGNORECASE)


class Cancellation:
    """Lets another thread stop a request's queries."""

    def __init__(self) -> None:
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self.cancelled = False

    def attach(self, cursor: duckdb.DuckDBPyConnection | None) -> None:
        """Name the cursor to stop; None when it is done."""
        with self._lock:
            self._cursor = cursor
            if self.cancelled and cursor is not None:
                cursor.interrupt()

    def cancel(self) -> None:
        """Stop the running query and refuse further ones."""
        with self._lock:
            self.cancelled = True
            if self._cursor is not None:
                self._cursor.interrupt()


class Session:
    """One request's queries, under one deadline. Not to be shared between threads."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        limits: Limits,
        cancellation: Cancellation,
        watchdog: Watchdog,
    ) -> None:
        self._cursor = cursor
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._cancellation = cancellation
        self._touched: dict[str, int] = {}
        self._outside: Outside | None = None
        self.limits = limits
        self._watchdog = watchdog
        self._watched = Watched(self._must_end, cursor.interrupt)

    def through(self, outside: Outside) -> "Session":
        """The same session, whose queries of blocks run outside; there the number of spans is no limit."""
        found = copy.copy(self)
        found._outside = outside
        return found

    def touch(self, blocks: Iterable[Block]) -> None:
        """Note the blocks that are read next. Raises LimitExceeded for too many spans in all the request reads."""
        if self._outside is not None:
            return
        self._touched |= {block.id: block.spans for block in blocks}
        if self._limits.spans and sum(self._touched.values()) > self._limits.spans:
            raise LimitExceeded(
                f"the query has to read more than {self._limits.spans} spans: ask for a shorter time range, or raise "
                "--query-spans"
            )

    def table(self, query: exp.Query, *, large: bool = False) -> pa.Table:
        """Run a query; for a ``large`` answer, of some ten thousand rows, all cores gather it.

        Raises LimitExceeded when time or memory run out, Cancelled when the request was given up.
        """
        if self._outside is not None:
            schema = self.fixed(self._outside.alike(query)).schema
            return self._outside.engine.table(query, schema, self.check)
        return self.fixed(query.sql(DuckDB, copy=False), large=large)

    def fixed(self, sql: str, *, large: bool = False) -> pa.Table:
        """Run a query whose text is part of the program, as ``table`` does."""
        with self._watchdog.over(self._watched):
            return self._run(sql, large=large)

    def check(self) -> None:
        """Raise LimitExceeded when the request's time is up, Cancelled when it was given up."""
        if self._cancellation.cancelled:
            raise Cancelled
        if self._is_late:
            raise self._late()

    def _late(self) -> LimitExceeded:
        return LimitExceeded(
            f"the query ran longer than {self._limits.seconds:g} s: ask for a shorter time range or a narrower "
            "filter, or raise --query-timeout"
        )

    def _must_end(self) -> bool:
        return self._cancellation.cancelled or self._is_late

    @property
    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _run(self, sql: str, *, large: bool) -> pa.Table:
        try:
            if self._must_end():
                raise duckdb.InterruptException
            run = self._cursor.sql if large else self._cursor.execute
            return run(sql).to_arrow_table()
        except duckdb.InterruptException:
            if self._cancellation.cancelled:
                raise Cancelled from None
            raise self._late() from None
        except duckdb.OutOfMemoryException:
            raise LimitExceeded(
                f"the query needs more than {self._limits.memory_bytes >> 20} MiB of memory: ask for a shorter time "
                "range or fewer groups, or raise --query-memory"
            ) from None
        except duckdb.IOException as error:  # S3's refusals among them
            raise _unreadable(str(error)) from error

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name, for this session only."""
        self._cursor.register(name, table)

    def among(self, column: exp.Column, name: str, table: pa.Table) -> exp.Expr:
        """Returns the test that a column has one of the values of its name in an Arrow table, which is registered for
        it."""
        self.register(name, table)
        found = exp.select(exp.column(column.name)).from_(exp.table_(name), copy=False)
        return exp.In(this=column, query=found.subquery(copy=False))


def _unreadable(reason: str) -> StorageUnavailable:
    """Turns DuckDB's message on an unreadable block into an error of the store."""
    status = _HTTP_STATUS.search(reason)
    if status is None and _NO_ANSWER.search(reason):
        return StorageTimeout("cannot read blocks: the storage did not answer")
    return StorageUnavailable(f"cannot read blocks: {status[0] if status else 'the storage failed'}")


class Duck:
    """A DuckDB instance that reads Parquet below the given directories, one of them perhaps in S3, and nothing else.

    Share it between threads.
    """

    def __init__(
        self, directories: Sequence[str], limits: Limits | None = None, remote: "Remote | None" = None
    ) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._remote = remote
        self._watchdog = Watchdog()
        self._root = duckdb.connect(":memory:", config=self._config())
        self._root.execute("SET GLOBAL parquet_metadata_cache = true")
        for macro in _MACROS:
            self._root.execute(macro)
        if remote is not None:
            remote.prepare(self._root)
            directories = [*directories, remote.directory]
        self._root.execute("SET allowed_directories = ?", [list(directories)])
        self._root.execute("SET enable_external_access = false")
        self._root.execute("SET lock_configuration = true")

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "memory_limit": f"{self.limits.memory_bytes}B",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
        }
        return config | ({"threads": self.limits.threads} if self.limits.threads else {})

    @contextmanager
    def session(self, cancellation: Cancellation | None = None) -> Iterator[Session]:
        """Open a session; its deadline starts now."""
        cancellation = cancellation or Cancellation()
        with self._lock:
            if self._remote is not None:
                self._remote.renew(self._root)
            cursor = self._root.cursor()
        cancellation.attach(cursor)
        try:
            yield Session(cursor, self.limits, cancellation, self._watchdog)
        finally:
            cancellation.attach(None)
            cursor.close()

    def close(self) -> None:
        """Release memory; running sessions fail."""
        self._root.close()
