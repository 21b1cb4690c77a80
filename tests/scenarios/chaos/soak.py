"""``python -m tests.scenarios.chaos.soak --minutes 30 [--cloud]``: everything at once for a long time, then a count.

Clients send by five protocols, ask and delete; blocks are merged, expire and are collected; servers end at random, by
SIGKILL or in good order. In the end every acknowledged span must be there once, and no deleted trace.
"""

import argparse
import random
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.scenarios.chaos.__main__ import storage_of
from tests.scenarios.chaos.arena import Life
from tests.scenarios.chaos.inspection import inspect
from tests.scenarios.chaos.rounds import store_what_is_too_old
from tests.scenarios.chaos.senders import EVERY_WAY
from tests.scenarios.chaos.stage import Stage, Violated
from tests.scenarios.chaos.storage import ChaosStorage

_PAUSE = 0.3  # seconds between the requests of a sender, at most
_LIFE_SECONDS = (5.0, 60.0)
_SAMPLE_SECONDS = 0.5
_ORDERLY = 0.5  # share of the lives that end by SIGTERM
_CHECK_EVERY = 5  # lives after which storage is counted
_PAGE = resource.getpagesize()
_MIB = 1 << 20


def soak(directory: Path, seed: int, minutes: float, storage: ChaosStorage | None = None) -> Iterator[str]:
    """Run for so long, then finish; yields a line for each life of a server. Raises Violated."""
    stage = Stage(directory, seed, storage, EVERY_WAY, _PAUSE)
    start, peak = time.monotonic(), 0
    stage.start_clients()
    try:
        while (left := start + 60 * minutes - time.monotonic()) > 0:
            store_what_is_too_old(stage, stage.lives)
            ended, most = _live(stage, min(left, stage.chance.uniform(*_LIFE_SECONDS)))
            peak = max(peak, most)
            yield f"{(time.monotonic() - start) / 60:.1f} min, life {stage.lives}: {ended}; {stage.ledger.figures()}"
        stage.finish()
        stage.wait_until_clean()
    finally:
        stage.stop_clients()
    there = inspect(stage.storage)
    yield f"{there.rows.total()} spans of {len(there.rows)} ids in {len(there.live)} blocks; {stage.ledger.figures()}"
    yield f"{stage.lives} lives, peak memory {peak // _MIB} MiB; answers: {dict(stage.answers())}"


def _live(stage: Stage, seconds: float) -> tuple[str, int]:
    """Let a server live for so long; returns what became of it, and the most memory that it had resident."""
    is_orderly = stage.chance.random() < _ORDERLY
    memory: list[int] = []
    with stage.life() as life:
        life.server.wait_until_ready()
        stage.enter(life)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(_SAMPLE_SECONDS)
            memory.append(_resident(life))
        if is_orderly and (status := life.server.stop()):
            raise Violated(f"the server ends with {status} when it is asked to stop:\n{life.server.log()}")
    violations = () if stage.lives % _CHECK_EVERY else inspect(stage.storage).violations(stage.ledger)
    ended = "stopped" if is_orderly else "killed"
    stage.check(ended, violations)
    most = max(memory, default=0)
    last = memory[-1] if memory else 0
    return f"{ended} after {seconds:.0f} s with {last // _MIB} MiB resident, {most // _MIB} at most", most


def _resident(life: Life) -> int:
    """Bytes that the server has resident; raises Violated when it has ended by itself."""
    if life.server.status is not None:
        how = f"signal {signal.Signals(-life.server.status).name}" if life.server.status < 0 else life.server.status
        raise Violated(f"the server has ended by itself, {how}:\n{life.server.log()}")
    return int(Path(f"/proc/{life.server.pid}/statm").read_text().split()[1]) * _PAGE


def main() -> None:
    """Run it and print a line for each life; ends with an error at the first thing that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--cloud", action="store_true", help="on an S3 server and DynamoDB Local, not in a directory")
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary, storage_of(Path(temporary), cloud=wanted.cloud) as storage:
        for line in soak(Path(temporary), wanted.seed, wanted.minutes, storage):
            print(line, flush=True)


if __name__ == "__main__":
    main()
