"""Storage fails under a server while clients send, ask and delete: nothing is lost, and it recovers by itself."""

import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.scenarios.chaos.arena import Life
from tests.scenarios.chaos.inspection import inspect
from tests.scenarios.chaos.stage import Stage
from tests.scenarios.chaos.storage import ChaosStorage, CloudStorage, Directory
from tests.scenarios.faults.jumping import CLOCK
from tests.scenarios.faults.troubled import TROUBLE

GOOD = 1.0  # seconds
BAD = 3.0

_TROUBLED = (sys.executable, "-m", "tests.scenarios.faults.troubled")
_ADMITTED = (
    "a group of requests could not be stored",  # senders hear of it too
    "logged requests could not be stored yet",  # they stay in the log and are tried again, and readers hear of it
    # Many commits fail between object and entry: collection refuses so large a share, and the next start takes it in.
    "blocks without an index entry left in place, spanlake reindex takes them in",
)
_JUMPING = (sys.executable, "-m", "tests.scenarios.faults.jumping")
_HOUR = 3600  # seconds
_DAY = 24 * _HOUR
_COMPACTIONS = "spanlake_compactions_total"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, random.randrange(10**6))
    print("seed", stage.ledger.world.seed)
    stage.start_clients()
    yield stage
    stage.stop_clients()


def get_over_it(
    stage: Stage,
    life: Life,
    strike: Callable[[], None],
    relieve: Callable[[], None],
    expected: Iterable[str] = ("503", "UNAVAILABLE"),
) -> None:
    """Let things go well, then not, then well again, until compaction goes on; then end the server in good order.

    They do not go well until each of the expected answers has been given.
    """
    life.server.wait_until_ready()
    stage.enter(life)
    time.sleep(GOOD)
    strike()
    time.sleep(BAD)
    life.server.wait_for(lambda: stage.answers().keys() >= set(expected))
    relieve()
    before = life.server.metric(_COMPACTIONS)
    life.server.wait_for(lambda: life.server.metric(_COMPACTIONS) > before)
    answers = stage.answers()
    assert answers.keys() <= {"acknowledged", "200", "404", "503", "UNAVAILABLE"}
    assert life.server.stop() == 0
    assert not list((stage.data / ".tmp").iterdir()), "objects that were not stored take no room"


def check(stage: Stage) -> None:
    """See that all is there, as it was left and when everything is compacted."""
    stage.check("after the trouble", inspect(stage.storage).violations(stage.ledger))
    stage.finish()


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.05, ["503"]),  # of queries: the log takes most requests, and is not in trouble
        (0.5, ["503", "UNAVAILABLE"]),
    ],
    ids=["0.05", "0.5"],
)
def test_storage_that_fails_now_and_then(stage: Stage, tmp_path: Path, share: float, expected: list[str]) -> None:
    file = tmp_path / "trouble"
    environment = {TROUBLE: f"{stage.ledger.world.seed} {share} {file}"}
    with stage.life(environment, _TROUBLED, admitted=_ADMITTED) as life:
        get_over_it(stage, life, file.touch, file.unlink, expected)
    check(stage)


@pytest.fixture(params=["local", "cloud"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ChaosStorage:
    if request.param == "cloud":
        return CloudStorage.new(request.getfixturevalue("cloud"))
    return Directory(tmp_path / "data")


def test_clock_that_jumps_loses_and_deletes_nothing(tmp_path: Path, storage: ChaosStorage) -> None:
    """The clock is a year ahead for a while, then behind by hours, and the next server starts far behind or ahead."""
    stage = Stage(tmp_path, random.randrange(10**6), storage)
    print("seed", stage.ledger.world.seed)
    clock = tmp_path / "clock"
    stage.start_clients()
    try:
        for at_start in (0, -400 * _DAY, 365 * _DAY):
            clock.write_text(str(at_start))
            with stage.life({CLOCK: str(clock)}, _JUMPING) as life:
                live_with_jumps(stage, life, clock)
            stage.check(f"a start with the clock {at_start} s ahead", inspect(storage).violations(stage.ledger))
        stage.finish()
    finally:
        stage.stop_clients()


def live_with_jumps(stage: Stage, life: Life, clock: Path) -> None:
    """Let clients work while the clock jumps, until compaction goes on; then end the server in good order."""
    life.server.wait_until_ready()
    stage.enter(life)
    for seconds in (None, 365 * _DAY, -5 * _HOUR, 0):
        if seconds is not None:
            clock.write_text(str(seconds))
        time.sleep(BAD)
    before = life.server.metric(_COMPACTIONS)
    life.server.wait_for(lambda: life.server.metric(_COMPACTIONS) > before)
    assert life.server.stop() == 0


@pytest.mark.parametrize("limit", [0, 2000], ids=["not a byte", "torn"])
def test_files_that_can_not_grow(stage: Stage, limit: int) -> None:
    """The kernel lets the process write no more than the first bytes of a file."""
    with stage.life(admitted=_ADMITTED) as life:

        def restrict(most: int) -> None:
            resource.prlimit(life.server.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        get_over_it(stage, life, lambda: restrict(limit), lambda: restrict(resource.RLIM_INFINITY))
    check(stage)


def test_a_disk_that_is_full(stage: Stage) -> None:
    with small_disk(stage.data):
        ballast = stage.data / "ballast"
        with stage.life(admitted=_ADMITTED) as life:
            get_over_it(stage, life, lambda: fill(ballast), ballast.unlink)
        check(stage)


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """A file system of its own below a directory; skips the test where one may not mount."""
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", directory], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


def fill(file: Path) -> None:
    """Write until there is no room."""
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(1 << 12))
