"""Execution of SQL for one request: deadline, cancellation and budget."""

import copy
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB  # by name, a thread could meet it half loaded

from spanlake.query.engine.base import Engine, NotSupportedByEngine
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageTimeout, StorageUnavailable

_PULSE_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class Watched:
    """A running statement: whether it must end, and how to make it."""

    must_end: Callable[[], bool]
    interrupt: Callable[[], None]


class Watchdog:
    """Interrupts statements that must end, again and again until they do: DuckDB forgets an interruption that comes
    before the statement has begun.

    Share it between threads. Its own thread ends when nothing runs.
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
        self._sizes: dict[str, int] = {}
        self._engine: Engine | None = None
        self.limits = limits
        self._watchdog = watchdog
        self._watched = Watched(self._must_end, cursor.interrupt)

    def on_engine(self, engine: Engine) -> "Session":
        """The same session, whose queries of blocks run outside; there the number of spans is no limit."""
        found = copy.copy(self)
        found._engine = engine
        return found

    def charge(self, blocks: Iterable[Block]) -> None:
        """Note the blocks that are read next.

        Raises LimitExceeded for too many blocks, and for too many spans or bytes in all that the request reads.
        """
        if self._engine is not None:
            return
        read = list(blocks)
        if self._limits.blocks and len(read) > self._limits.blocks:
            raise LimitExceeded(
                f"the query has to open more than {self._limits.blocks} blocks, as many as {len(read)}, since "
                "compaction has not merged them yet: ask for a shorter time range, or later, or set --partial-answers"
            )
        self._touched |= {block.id: block.spans for block in read}
        if self._limits.bytes:
            self._charge_bytes(read)
        if self._limits.spans and sum(self._touched.values()) > self._limits.spans:
            raise LimitExceeded(
                f"the query has to read more than {self._limits.spans} spans: ask for a shorter time range, or raise "
                "--query-spans"
            )

    def _charge_bytes(self, blocks: Iterable[Block]) -> None:
        self._sizes |= {block.id: block.size for block in blocks}
        if sum(self._sizes.values()) > self._limits.bytes:
            raise LimitExceeded(
                f"the query has to read more than the {self._limits.bytes} bytes that its tenant may: ask for a "
                "shorter time range"
            )

    def run(self, query: exp.Query, *, large: bool = False, outputs: pa.Schema | None = None) -> pa.Table:
        """Run a query; for a ``large`` answer, of some ten thousand rows, all cores gather it.

        An engine outside of the process has to know the ``outputs``; it is not asked for the trees of traces.
        Raises LimitExceeded when time or memory run out, Cancelled when the request was given up.
        """
        if self._engine is not None:
            if outputs is None or not isinstance(query, exp.Select):
                raise NotSupportedByEngine(f"structural operators are not supported on {self._engine.name}")
            return self._engine.run(query, outputs, self.check)
        return self.run_static(query.sql(DuckDB, copy=False), large=large)

    def run_static(self, sql: str, *, large: bool = False) -> pa.Table:
        """Run a query whose text is part of the program, as ``table`` does."""
        with self._watchdog.over(self._watched):
            return self._run(sql, large=large)

    def check(self) -> None:
        """Raise LimitExceeded when the request's time is up, Cancelled when it was given up."""
        if self._cancellation.cancelled:
            raise Cancelled
        if self._is_late:
            raise self._late()

    @property
    def is_half_over(self) -> bool:
        """True when half of the request's time is up."""
        return time.monotonic() > self._deadline - self._limits.seconds / 2

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

    def is_in(self, column: exp.Column, name: str, table: pa.Table) -> exp.Expr:
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
