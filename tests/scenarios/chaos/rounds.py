"""Rounds of a server's life and death, with everything going on at once, and what must hold after each."""

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spanlake.store.write import write
from tests.scenarios.chaos.arena import Life
from tests.scenarios.chaos.hurried import DEATH, POINTS
from tests.scenarios.chaos.inspection import inspect
from tests.scenarios.chaos.spans import DAY_NS
from tests.scenarios.chaos.stage import Stage, Violated
from tests.scenarios.chaos.storage import ChaosStorage
from tests.store.tables import span_table

_START_SECONDS = 1.5
_RUN_SECONDS = 2.0
_POINT_SECONDS = 4.0  # for which a server is let live that does not come to its point of death
_UNANSWERED = {
    "local": "Segment.append",
    "cloud": "DynamoIndex.add",
}  # after it senders are not told of what is stored, and send it again
_KILLED = -signal.SIGKILL
_EVERY = 3  # rounds that pass before there is a day again whose time is up
_OLD_DAYS = 9
_OLD_TENANT = "old"


@dataclass(frozen=True)
class Death:
    """When a server is killed: so many seconds after its start or after it was ready, or at a point of its work."""

    seconds: float
    starting: bool = False
    point: str = ""

    @classmethod
    def by(cls, chance: random.Random, backend: str) -> "Death":
        """Some death."""
        kind = chance.random()
        if kind < 0.15:
            return cls(chance.uniform(0, _START_SECONDS), starting=True)
        if kind < 0.4:
            return cls(chance.uniform(0, _RUN_SECONDS))
        points = POINTS[backend]
        name = _UNANSWERED[backend] if kind < 0.65 else chance.choice(list(points))
        moments, most = points[name]
        return cls(_POINT_SECONDS, point=f"{name} {chance.choice(moments)} {chance.randint(1, most)}")

    def __str__(self) -> str:
        if self.point:
            return f"at {self.point}, or {self.seconds:g} s after it was ready"
        return f"{self.seconds:.2f} s after {'its start' if self.starting else 'it was ready'}"


def run(directory: Path, seed: int, rounds: int, storage: ChaosStorage | None = None) -> Iterator[str]:
    """Live and die so often, then finish; yields a line for each round. Raises Violated."""
    stage = Stage(directory, seed, storage)
    stage.start_clients()
    try:
        for number in range(1, rounds + 1):
            if number % _EVERY == 1:
                store_what_is_too_old(stage, number)
            yield f"round {number}: {_round(stage)}; {stage.ledger.figures()}"
        stage.finish()
        stage.wait_until_clean()
    finally:
        stage.stop_clients()
    yield f"answers: {dict(stage.answers())}; {stage.ledger.figures()}"


def _round(stage: Stage) -> str:
    """Runs one life of the server; returns how it ended."""
    death = Death.by(stage.chance, stage.storage.backend)
    with stage.life({DEATH: death.point} if death.point else {}) as life:
        _let_live(stage, life, death)
        ended = f"{'killed' if life.server.status is None else 'died'} {death}"
    inspection = inspect(stage.storage)
    stage.check(ended, inspection.violations(stage.ledger))
    return f"{ended}; {len(inspection.live)} blocks with {inspection.repeated} spans more than once"


def _let_live(stage: Stage, life: Life, death: Death) -> None:
    until = time.monotonic() + death.seconds
    if not death.starting:
        if not _is_ready(life, death):
            return
        until = time.monotonic() + death.seconds
    stage.enter(life)
    while life.server.status is None and time.monotonic() < until:
        time.sleep(0.005)
    if life.server.status not in {None, _KILLED}:
        raise Violated(f"the server has ended by itself:\n{life.server.log()}")


def _is_ready(life: Life, death: Death) -> bool:
    """Returns True where the server is ready; False when it met its death before."""
    try:
        life.server.wait_until_ready()
    except RuntimeError as error:
        if death.point and life.server.status == _KILLED:
            return False
        raise Violated(str(error)) from error
    return True


def store_what_is_too_old(stage: Stage, number: int) -> None:
    """Store spans, as another process, of a day that the next server has to remove."""
    start = stage.ledger.world.now_ns - _OLD_DAYS * DAY_NS
    with stage.storage.opened() as store:
        for more in range(5):
            table = span_table([{"start_time_unix_nano": start + more}])
            write(store.objects, store.index, _OLD_TENANT, table, f"{number} {more}".encode())
