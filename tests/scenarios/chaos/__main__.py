"""``python -m tests.scenarios.chaos --rounds 100 [--cloud]``: kills a server often, checks what must not be lost."""

import argparse
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cloud import running
from tests.scenarios.chaos.rounds import run
from tests.scenarios.chaos.storage import ChaosStorage, CloudStorage
from tests.server_process import PATIENCE

_PATIENCE = 900  # seconds: a run beside others fails by what is wrong, not by what is slow


def main() -> None:
    """Run the rounds and print a line for each; ends with an error at the first thing that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--directory", type=Path, help="an empty one for the data, which is kept")
    parser.add_argument("--cloud", action="store_true", help="on an S3 server and DynamoDB Local, not in a directory")
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary, storage_of(Path(temporary), cloud=wanted.cloud) as storage:
        for line in run(wanted.directory or Path(temporary), wanted.seed, wanted.rounds, storage):
            print(line, flush=True)


@contextmanager
def storage_of(directory: Path, *, cloud: bool) -> Iterator[ChaosStorage | None]:
    """New storage on servers that stand in for AWS, which this process takes for it; else None for a directory."""
    os.environ.setdefault(PATIENCE, str(_PATIENCE))
    if not cloud:
        yield None
        return
    folder = directory / "cloud"
    folder.mkdir()
    with running(folder) as servers:
        os.environ.update(servers.environment)
        yield CloudStorage.new(servers)


if __name__ == "__main__":
    main()
