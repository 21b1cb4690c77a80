"""The DuckDB instance: in memory, closed to the network and the file system."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from spanlake.query.engine.session import Cancellation, Session, Watchdog
from spanlake.query.limits import OF_TENANT, Limits

if TYPE_CHECKING:
    from spanlake.query.engine.httpfs import HttpfsCredentials


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


class DuckDB:
    """A DuckDB instance that reads Parquet below the given directories, one of them perhaps in S3, and nothing else.

    Share it between threads.
    """

    def __init__(
        self, directories: Sequence[str], limits: Limits | None = None, remote: "HttpfsCredentials | None" = None
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
                self._remote.refresh(self._root)
            cursor = self._root.cursor()
        cancellation.attach(cursor)
        try:
            yield Session(cursor, self.limits.within(OF_TENANT.get()), cancellation, self._watchdog)
        finally:
            cancellation.attach(None)
            cursor.close()

    def close(self) -> None:
        """Release memory; running sessions fail."""
        self._root.close()
