"""The thread that stops statements."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanlake.query.engine.duckdb import DuckDB, RenewalPolicy, Watchdog, Watched


@pytest.fixture
def interrupted() -> Iterator[list[float]]:
    """When a statement was interrupted; no thread watches before the test, nor after it."""
    until(lambda: watching() == 0)
    yield []
    until(lambda: watching() == 0)


def watching() -> int:
    return sum(thread.name == "watchdog" for thread in threading.enumerate())


def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("never came true")


def test_a_statement_that_must_end_is_interrupted_until_it_does(interrupted: list[float]) -> None:
    watchdog = Watchdog()
    statement = Watched(lambda: True, lambda: interrupted.append(time.monotonic()))
    with watchdog.over(statement):
        until(lambda: len(interrupted) >= 3)
    count = len(interrupted)
    time.sleep(0.2)
    assert len(interrupted) == count


def test_others_run_on(interrupted: list[float]) -> None:
    watchdog = Watchdog()
    late = Watched(lambda: True, lambda: interrupted.append(time.monotonic()))
    others: list[float] = []
    with watchdog.over(Watched(lambda: False, lambda: others.append(1.0))), watchdog.over(late):
        until(lambda: len(interrupted) >= 2)
    assert others == []


def test_one_thread_watches_all_and_a_new_one_what_comes_later(interrupted: list[float]) -> None:
    watchdog = Watchdog()
    idle = [Watched(lambda: False, lambda: None) for _ in range(3)]
    for statement in idle:
        with watchdog.over(statement):
            assert watching() == 1
    until(lambda: watching() == 0)
    with watchdog.over(Watched(lambda: True, lambda: interrupted.append(time.monotonic()))):
        until(lambda: bool(interrupted))


def test_what_fails_is_watched_no_longer(interrupted: list[float]) -> None:
    watchdog = Watchdog()
    statement = Watched(lambda: True, lambda: interrupted.append(time.monotonic()))
    with pytest.raises(ValueError, match="it failed"), watchdog.over(statement):
        raise ValueError("it failed")
    count = len(interrupted)
    time.sleep(0.2)
    assert len(interrupted) == count


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_statement_that_cannot_be_interrupted_does_not_harm_others(interrupted: list[float]) -> None:
    watchdog = Watchdog()

    def fail() -> None:
        raise ValueError("closed")

    with watchdog.over(Watched(lambda: True, fail)):
        until(lambda: watching() == 0)
    with watchdog.over(Watched(lambda: True, lambda: interrupted.append(time.monotonic()))):
        until(lambda: bool(interrupted))


def _count(duck: DuckDB, path: Path) -> int:
    duck.session()
    (row,) = duck.execute(f"SELECT count(*) AS n FROM read_parquet('{path}')", lambda: None).to_pylist()
    return int(row["n"])


@pytest.mark.parametrize(("share", "is_renewed"), [(1 << 40, True), (1, False)])
def test_instance_that_keeps_too_much_of_blocks_is_renewed(tmp_path: Path, share: int, *, is_renewed: bool) -> None:
    path = tmp_path / "block.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    duck = DuckDB([str(tmp_path)], renewal=RenewalPolicy(memory_share=share, least_seconds=0.0))
    first = duck._root
    assert [_count(duck, path) for _ in range(3)] == [3, 3, 3]
    assert (duck._root is not first) == is_renewed
