"""A server is killed repeatedly under load; `python -m tests.scenarios.chaos` does it more often."""

import random
from pathlib import Path

from tests.scenarios.chaos.rounds import run

ROUNDS = 10


def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    for line in run(tmp_path, random.randrange(10**6), ROUNDS):
        print(line)  # shown, with the seed, when it fails
