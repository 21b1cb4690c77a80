"""Bounds on connections: places by address, and answers that are not read."""

import asyncio
from contextlib import nullcontext
from unittest.mock import Mock

import pytest

from spanlake.edge import connections
from spanlake.edge.connections import ConnectionLimit, SteadyTransport, UnreadAnswers


class Unread:
    """A transport whose client reads what a test says."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return 0 if self.is_aborted else self.size

    def abort(self) -> None:
        self.is_aborted = True


def test_connection_limit_leaves_places_for_other_addresses() -> None:
    places = ConnectionLimit(10)
    assert [places.enter("a") for _ in range(10)] == [True] * 8 + [False] * 2
    assert places.enter("b", descriptors=2)
    assert not places.enter("b")
    places.leave("a")
    assert places.enter("c")


def test_connection_limit_leaves_descriptors_for_files() -> None:
    assert ConnectionLimit.of_process().enter("a")


def test_unread_answers_end_slow_clients_when_memory_is_short() -> None:
    async def run() -> list[bool]:
        unread = UnreadAnswers(most_bytes=1 << 20)
        slow, fast, late = Unread(600 << 10), Unread(400 << 10), Unread(300 << 10)
        now = asyncio.get_running_loop().time
        unread.add(slow)
        unread.add(fast)
        for seen in unread._waiting.values():
            seen.time = now() - connections._HASTE_SECONDS
        fast.size -= connections._PROGRESS_BYTES
        unread.add(late)
        return [slow.is_aborted, fast.is_aborted, late.is_aborted]

    assert asyncio.run(run()) == [True, False, False]


def test_unread_answers_refuse_more_than_twice_the_memory() -> None:
    async def run() -> list[bool]:
        unread = UnreadAnswers(most_bytes=1000)
        first, second = Unread(1500), Unread(1500)
        unread.add(first)
        unread.add(second)
        return [first.is_aborted, second.is_aborted]

    assert asyncio.run(run()) == [False, True]


def test_unread_answers_end_clients_that_stop_reading() -> None:
    async def run() -> tuple[bool, bool]:
        unread = UnreadAnswers(most_bytes=1 << 30)
        stopped, gone = Unread(5000), Unread(5000)
        unread.add(stopped)
        unread.add(gone)
        unread.remove(gone)
        unread._waiting[stopped].time -= connections._PATIENCE_SECONDS
        unread._look_through()
        return stopped.is_aborted, gone.is_aborted

    assert asyncio.run(run()) == (True, False)


@pytest.mark.parametrize("is_closing", [True, False])
def test_steady_transport_takes_bytes_after_the_connection_has_broken(*, is_closing: bool) -> None:
    broken = Mock()
    broken.write.side_effect = RuntimeError("the handler is closed")
    broken.is_closing.return_value = is_closing
    with nullcontext() if is_closing else pytest.raises(RuntimeError):
        SteadyTransport(broken).write(b"x")
