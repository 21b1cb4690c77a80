"""Tests the limits of a query (time, memory, values) and its cancellation."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot

from spanlake.query.engine import inputs
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from tests.query.kit import HOUR, SECOND, At, Lake, steps, trace_id

ENDLESS = "SELECT COUNT(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range % 7 = 3"
LARGE = "SELECT LIST(range) FROM range(200000000)"
CHAIN = [At(n, n - 1) for n in range(1, 400)]


def test_time_ends_a_running_query() -> None:
    duck = DuckDB([], Limits(seconds=0.05))
    with duck.session() as session, pytest.raises(LimitExceeded, match=r"longer than 0.05 s.*--query-timeout"):
        session.run_static(ENDLESS)
    with duck.session() as session:
        assert session.run_static("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    duck.close()


def test_no_query_begins_when_time_is_up() -> None:
    duck = DuckDB([], Limits(seconds=-1))
    with duck.session() as session, pytest.raises(LimitExceeded):
        session.run_static("SELECT 1")
    duck.close()


def test_time_is_up_for_a_real_question(tmp_path: Path) -> None:
    lake = Lake(tmp_path, Limits(seconds=0.05, threads=1))
    lake.add(*(At(n, n // 2, trace=trace) for trace in range(1, 40) for n in range(1, 400)))
    with pytest.raises(LimitExceeded, match="longer"):
        lake.search("{} >> {} | count() > 0")
    lake.close()


def test_memory_is_bounded() -> None:
    duck = DuckDB([], Limits(memory_bytes=32 << 20))
    with duck.session() as session, pytest.raises(LimitExceeded, match=r"more than 32 MiB.*--query-memory"):
        session.run_static(LARGE)
    duck.close()


def test_spans_whose_place_in_the_tree_matters_are_bounded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.add(*CHAIN)
    assert len(lake.names("{} > {}")) == len(CHAIN) - 1
    monkeypatch.setattr(inputs, "_TREE_BYTES", lake.duck.limits.memory_bytes // 100)
    with pytest.raises(LimitExceeded, match=r"relates more than 100 spans.*--query-memory"):
        lake.search("{} > {}")


def test_another_thread_cancels() -> None:
    duck, cancellation, running = DuckDB([]), Cancellation(), threading.Event()
    found: list[BaseException] = []

    def ask() -> None:
        with duck.session(cancellation) as session:
            running.set()
            try:
                session.run_static(ENDLESS)
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
    with duck.session(cancellation) as session, pytest.raises(Cancelled):
        session.run_static("SELECT 1")
    duck.close()


def test_the_parsers_errors_are_none_of_a_limits() -> None:
    duck = DuckDB([])
    with duck.session() as session, pytest.raises(Exception, match="nowhere") as raised:
        session.run(sqlglot.select("x").from_("nowhere"))
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
    with duck.session() as session, pytest.raises(Exception, match=r"(?i)permission|locked|disabled|cannot"):
        session.run_static(sql)
    duck.close()


def test_sessions_do_not_see_each_others_tables() -> None:
    duck = DuckDB([])
    with duck.session() as one, duck.session() as other:
        one.register("spans", pa.table({"n": [1]}))
        other.register("spans", pa.table({"n": [2]}))
        assert one.run_static("SELECT n FROM spans").to_pylist() == [{"n": 1}]
        assert other.run_static("SELECT n FROM spans").to_pylist() == [{"n": 2}]
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
