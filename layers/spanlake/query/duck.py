"""DuckDB as spanlake uses it: in memory, closed to the world, one cursor a request, stopped when time is up."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from spanlake.query.limits import Cancelled, LimitExceeded, Limits

_PULSE_SECONDS = 0.05


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

    def __init__(self, cursor: duckdb.DuckDBPyConnection, limits: Limits, cancellation: Cancellation) -> None:
        self._cursor = cursor
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._cancellation = cancellation
        self.limits = limits

    def table(self, query: exp.Query) -> pa.Table:
        """Run a query.

        Raises LimitExceeded when time or memory run out, Cancelled when the request was given up.
        """
        return self.fixed(query.sql("duckdb", copy=False))

    def fixed(self, sql: str) -> pa.Table:
        """Run a query whose text is part of the program, as ``table`` does."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watch.start()
        try:
            return self._run(sql)
        finally:
            done.set()
            watch.join()

    def _watch(self, done: threading.Event) -> None:
        """Interrupt the query when it must end, and again until it does: DuckDB forgets an interruption that comes
        before the query has begun."""
        while not done.wait(_PULSE_SECONDS):
            if self._cancellation.cancelled or self._is_late:
                self._cursor.interrupt()

    @property
    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _run(self, sql: str) -> pa.Table:
        try:
            if self._cancellation.cancelled or self._is_late:
                raise duckdb.InterruptException
            return self._cursor.execute(sql).to_arrow_table()
        except duckdb.InterruptException:
            if self._cancellation.cancelled:
                raise Cancelled from None
            raise LimitExceeded(
                f"the query ran longer than {self._limits.seconds:g} s: ask for a shorter time range or a narrower "
                "filter, or raise --query-timeout"
            ) from None
        except duckdb.OutOfMemoryException:
            raise LimitExceeded(
                f"the query needs more than {self._limits.memory_bytes >> 20} MiB of memory: ask for a shorter time "
                "range or fewer groups, or raise --query-memory"
            ) from None

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name, for this session only."""
        self._cursor.register(name, table)


class Duck:
    """A DuckDB instance that reads Parquet below the given directories and nothing else. Share it between threads."""

    def __init__(self, directories: Sequence[str], limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._root = duckdb.connect(":memory:", config=self._config())
        self._root.execute("SET GLOBAL parquet_metadata_cache = true")
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
            cursor = self._root.cursor()
        cancellation.attach(cursor)
        try:
            yield Session(cursor, self.limits, cancellation)
        finally:
            cancellation.attach(None)
            cursor.close()

    def close(self) -> None:
        """Release memory; running sessions fail."""
        self._root.close()
