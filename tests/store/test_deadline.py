"""Storage calls end with the time limit of their caller."""

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Event

import pytest

from spanlake.store.deadline import Places, Threads, bounded, has_passed, limited, side_by_side
from spanlake.store.errors import StorageTimeout

SHORT = 0.05


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread, for ten seconds at most."""
    end = time.monotonic() + 10
    while not is_so() and time.monotonic() < end:
        time.sleep(0.001)
    assert is_so()


def hang() -> None:
    """Outlast every limit of these tests."""
    time.sleep(0.4)


def test_bounded_returns_what_the_call_returns() -> None:
    assert bounded("count", lambda: 7) == 7


def test_bounded_raises_what_the_call_raises() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"), limited(1):
        bounded("fail", fail)


def test_bounded_leaves_a_call_that_hangs() -> None:
    ends, ended = Event(), Event()

    def read() -> None:
        ends.wait()
        ended.set()

    with pytest.raises(StorageTimeout, match="cannot read it: no answer in time"), limited(SHORT):
        bounded("read it", read)
    assert not ended.is_set()
    ends.set()


def test_limited_counts_all_calls_together() -> None:
    def wait_often() -> None:
        for _ in range(20):
            bounded("wait", lambda: time.sleep(SHORT))

    with pytest.raises(StorageTimeout), limited(3 * SHORT):
        wait_often()


def test_limited_keeps_the_limit_around_it() -> None:
    with limited(SHORT), limited(60):
        time.sleep(2 * SHORT)
        assert has_passed()
    assert not has_passed()


def test_bounded_starts_no_call_when_the_time_is_over() -> None:
    started: list[int] = []
    with pytest.raises(StorageTimeout, match="the time of the request is over"), limited(0):
        bounded("append", lambda: started.append(1))
    assert started == []


def test_bounded_inside_a_call_shares_its_thread() -> None:
    assert bounded("look", lambda: bounded("look", threading.get_ident) == threading.get_ident())


def test_limit_holds_in_a_copy_of_the_context() -> None:
    with ThreadPoolExecutor(1) as threads, limited(0):
        assert threads.submit(copy_context().run, has_passed).result()


def test_calls_that_hang_are_bounded_in_number() -> None:
    places = Places(1)
    with pytest.raises(StorageTimeout), limited(SHORT):
        bounded("read it", hang, places)
    with pytest.raises(StorageTimeout, match="1 calls are waiting for an answer"), limited(SHORT):
        bounded("read it", hang, places)
    hang()  # until the first one has given its place back


def test_side_by_side_yields_answers_in_the_order_of_the_calls() -> None:
    first_may_end = threading.Event()

    def first() -> int:
        assert first_may_end.wait(60)
        return 1

    def second() -> int:
        first_may_end.set()  # so both are made at once
        return 2

    assert list(side_by_side("count", [first, second, lambda: 3], at_once=2)) == [1, 2, 3]


def test_side_by_side_makes_no_more_calls_at_once() -> None:
    begun: list[int] = []
    answers = side_by_side("count", (partial(begun.append, number) for number in range(9)), at_once=1)
    for made in range(1, 10):
        next(answers)
        assert begun == [*range(made)]


def test_side_by_side_raises_what_a_call_raises() -> None:
    def fail() -> int:
        raise KeyError("x")

    answers = side_by_side("count", [lambda: 1, fail], at_once=2)
    assert next(answers) == 1
    with pytest.raises(KeyError):
        next(answers)


def test_side_by_side_inside_a_call_shares_its_thread() -> None:
    found = bounded(
        "look", lambda: (threading.get_ident(), *side_by_side("look", [threading.get_ident] * 2, at_once=2))
    )
    assert len({*found}) == 1


def test_threads_that_have_done_their_work_do_more() -> None:
    threads, seen = Threads(), list[int]()
    for number in range(1, 4):
        threads.start(lambda: seen.append(threading.get_ident()))
        until(lambda wanted=number: len(seen) == wanted and threads.idle == 1)  # type: ignore[misc]
    assert len(set(seen)) == 1


def test_threads_without_work_end() -> None:
    threads, seen = Threads(idle_seconds=SHORT), list[threading.Thread]()
    threads.start(lambda: seen.append(threading.current_thread()))
    until(lambda: bool(seen))
    seen[0].join(10)
    assert not seen[0].is_alive()
    assert threads.idle == 0


def test_threads_that_hang_do_not_hold_others_up() -> None:
    threads, ends, done = Threads(), Event(), Event()

    def wait() -> None:
        ends.wait()

    threads.start(wait)
    threads.start(done.set)
    assert done.wait(10)
    ends.set()


class Content:
    """Content of an object."""


def test_threads_that_wait_hold_nothing_of_what_they_did() -> None:
    threads, content = Threads(), Content()
    held = weakref.ref(content)
    threads.start(partial(id, content))  # type: ignore[arg-type]  # what it returns is dropped
    del content
    until(lambda: threads.idle == 1 and held() is None)
