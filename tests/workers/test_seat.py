"""The place of one worker, with little patience: who is replaced, and when it is given up."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spanlake.settings.model import Config
from spanlake.workers.orders import Orders
from spanlake.workers.seat import GivenUp, Patience, Seat
from tests.server_process import patiently

QUICK = Patience(first_pause=0.01, longest_pause=0.02, starts=3, pulse=0.05)
SILENT_SECONDS = 15.0  # longer than a worker takes to start on a busy machine
LONGEST_SECONDS = 240.0  # that a scene may take before it is ended


def orders(data: Path) -> Orders:
    """Of a worker that takes no requests, which is enough to live."""
    return Orders(1, Config(data, drain_seconds=1), [], {})


def the_worker() -> int:
    """The process id of the worker, of which there is one."""
    own = os.getpid()
    for task in Path(f"/proc/{own}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"spanlake.workers.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    raise ProcessLookupError


def is_running(pid: int) -> bool:
    """True where the process has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run(scene: Coroutine[Any, Any, None]) -> None:
    """Runs a scene to its end, and ends its worker with it if it hangs."""

    async def bounded() -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            await scene

    asyncio.run(bounded())


def wait_for(happened: Callable[[], bool]) -> None:
    if not any(happened() for _ in patiently()):
        raise TimeoutError


async def close(seat: Seat, keeper: "asyncio.Task[None]") -> None:
    seat.close()
    await seat.drain(1)
    await keeper


def test_worker_that_does_not_answer_is_killed_and_replaced(tmp_path: Path) -> None:
    async def scene() -> None:
        seat = Seat(orders(tmp_path), replace(QUICK, doubtful=0.5, silent=SILENT_SECONDS))
        keeper = asyncio.create_task(seat.keep())
        await asyncio.to_thread(wait_for, lambda: seat.is_ready)
        hung = the_worker()
        os.kill(hung, signal.SIGSTOP)
        await asyncio.to_thread(wait_for, lambda: not seat.is_ready)
        assert seat.replaced == 0, "it is in doubt before it is killed"
        await asyncio.to_thread(wait_for, lambda: seat.replaced == 1 and seat.is_ready)
        assert the_worker() != hung
        await close(seat, keeper)

    run(scene())


def test_first_worker_passes_on_reason_of_failed_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GivenUp, match=r"cannot use the directory .*file"):
        run(Seat(orders(tmp_path / "file"), QUICK).keep())


def test_worker_that_repeatedly_fails_to_start_is_given_up(tmp_path: Path) -> None:
    data = tmp_path / "data"

    async def scene() -> None:
        seat = Seat(orders(data), QUICK)
        keeper = asyncio.create_task(seat.keep())
        await asyncio.to_thread(wait_for, lambda: seat.is_ready)
        data.rename(tmp_path / "elsewhere")
        data.touch()
        os.kill(the_worker(), signal.SIGKILL)
        await keeper

    with pytest.raises(GivenUp, match="worker 1 failed to start 3 times in a row: cannot use the directory"):
        run(scene())


def test_worker_that_exits_before_it_is_ready_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    seat = Seat(orders(tmp_path), QUICK)
    with pytest.raises(GivenUp, match="3 times in a row: it ended before it took requests"):
        run(seat.keep())
    assert seat.replaced == 2


def test_worker_is_killed_when_its_supervision_is_cancelled(tmp_path: Path) -> None:
    async def scene() -> None:
        seat = Seat(orders(tmp_path), QUICK)
        keeper = asyncio.create_task(seat.keep())
        await asyncio.to_thread(wait_for, lambda: seat.is_ready)
        pid = the_worker()
        os.kill(pid, signal.SIGSTOP)
        keeper.cancel()
        await asyncio.to_thread(wait_for, lambda: not is_running(pid))

    run(scene())
