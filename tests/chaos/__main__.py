"""``python -m tests.chaos --rounds 100``: kill a server time and again, and check what it must never lose."""

import argparse
import random
import tempfile
from pathlib import Path

from tests.chaos.rounds import run


def main() -> None:
    """Run the rounds and print a line for each; ends with an error at the first thing that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--directory", type=Path, help="an empty one for the data, which is kept")
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for line in run(wanted.directory or Path(temporary), wanted.seed, wanted.rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
