"""Tests the limits of a query (time, memory, values) and its cancellation."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot

from spanlake.query.compile.sql import memory_table
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import Cancellation, QueryPolicy
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from tests.query.kit import HOUR, SECOND, At, Lake, steps, trace_id

ENDLESS = "SELECT COUNT(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range % 7 = 3"
LARGE = "SELECT LIST(range) FROM range(200000000)"
CHAIN = [At(n, n - 1) for n in range(1, 400)]


def run(duck: DuckDB, sql: str, cancellation: Cancellation | None = None) -> pa.Table:
    """The answer of a statement in a session of its own."""
    return duck.execute(sql, duck.session(cancellation).check)


def test_time_ends_a_running_query() -> None:
    duck = DuckDB([], Limits(seconds=0.05))
    with pytest.raises(LimitExceeded, match=r"longer than 0.05 s.*--query-timeout"):
        run(duck, ENDLESS)
    assert run(duck, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
    duck.close()


def test_no_query_begins_when_time_is_up() -> None:
    duck = DuckDB([], Limits(seconds=-1))
    with pytest.raises(LimitExceeded):
        run(duck, "SELECT 1")
    duck.close()


def test_time_is_up_for_a_real_question(tmp_path: Path) -> None:
    lake = Lake(tmp_path, Limits(seconds=0.05, threads=1))
    lake.add(*(At(n, n // 2, trace=trace) for trace in range(1, 40) for n in range(1, 400)))
    with pytest.raises(LimitExceeded, match="longer"):
        lake.search("{} >> {} | count() > 0")
    lake.close()


def test_memory_is_bounded() -> None:
    duck = DuckDB([], Limits(memory_bytes=32 << 20))
    with pytest.raises(LimitExceeded, match=r"more than 32 MiB.*--query-memory"):
        run(duck, LARGE)
    duck.close()


def test_spans_whose_place_in_the_tree_matters_are_bounded(lake: Lake) -> None:
    lake.add(*CHAIN)
    assert len(lake.names("{} > {}")) == len(CHAIN) - 1
    lake.use(policy=QueryPolicy(tree_bytes=lake.duck.limits.memory_bytes // 100))
    with pytest.raises(LimitExceeded, match=r"relates more than 100 spans.*--query-memory"):
        lake.search("{} > {}")


def test_another_thread_cancels() -> None:
    duck, cancellation, running = DuckDB([]), Cancellation(), threading.Event()
    found: list[BaseException] = []

    def ask() -> None:
        running.set()
        try:
            run(duck, ENDLESS, cancellation)
        except Cancelled as error:
            found.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    running.wait()
    cancellation.cancel()
    asking.join(30)
    assert not asking.is_alive()
    assert [type(error) for error in found] == [Cancelled]
    duck.close()


def test_what_was_cancelled_before_never_runs() -> None:
    duck, cancellation = DuckDB([]), Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        run(duck, "SELECT 1", cancellation)
    duck.close()


def test_the_parsers_errors_are_none_of_a_limits() -> None:
    duck = DuckDB([])
    with pytest.raises(Exception, match="nowhere") as raised:
        duck.session().run(sqlglot.select("x").from_("nowhere"))
    assert not isinstance(raised.value, LimitExceeded | Cancelled)
    duck.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/spanlake-escaped.csv'",
        "ATTACH '/tmp/spanlake-escaped.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
    ],
)
def test_the_database_is_closed_to_the_world(tmp_path: Path, sql: str) -> None:
    duck = DuckDB([str(tmp_path)])
    with pytest.raises(Exception, match=r"(?i)permission|locked|disabled|cannot"):
        run(duck, sql)
    duck.close()


def test_queries_do_not_see_each_others_tables() -> None:
    duck = DuckDB([])
    session = duck.session()
    for number in (1, 2):
        query = sqlglot.select("n").from_(memory_table("spans", pa.table({"n": [number]})))
        assert session.run(query).to_pylist() == [{"n": number}]
    with pytest.raises(Exception, match="spans"):
        session.run(sqlglot.select("n").from_("spans"))
    duck.close()


@pytest.mark.parametrize(
    ("limits", "ask", "message"),
    [
        (Limits(values=3), lambda lake: lake.values("span.k"), "more than 3 values"),
        (Limits(values=3), lambda lake: lake.values("name"), "more than 3 values"),
        (Limits(trace_spans=3), lambda lake: lake.querier.trace("kit", trace_id(1)), "more than 3 spans"),
        (Limits(trace_spans=3), lambda lake: lake.search("{}"), "more than 3 spans"),
    ],
)
def test_answers_are_bounded(tmp_path: Path, limits: Limits, ask: Callable[[Lake], Any], message: str) -> None:
    lake = Lake(tmp_path, limits)
    lake.add(*(At(n, attributes={"k": n}) for n in range(1, 6)))
    with pytest.raises(LimitExceeded, match=message):
        ask(lake)
    lake.close()


def test_only_what_is_read_counts(tmp_path: Path) -> None:
    lake = Lake(tmp_path, Limits(spans=2))
    lake.add(At(1), At(2))
    lake.add(At(3, start=HOUR), At(4, start=HOUR))
    assert lake.series("{} | count_over_time()", steps(-SECOND, SECOND, SECOND)) == {("count_over_time",): (0, 2, 0)}
    with pytest.raises(LimitExceeded, match=r"more than 2 spans.*--query-spans"):
        lake.series("{} | count_over_time()", steps(-SECOND, HOUR, HOUR))
    lake.close()
