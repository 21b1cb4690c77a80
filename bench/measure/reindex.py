"""Measures ``spanlake reindex`` and ``verify`` of a day of small blocks: 1,000 and 20,000 unless told otherwise.

Each is a process of its own on a directory whose index is lost. Prints its time, its processor time and the most memory
that it had resident.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench.measure.report import console
from bench.measure.waiting import fill
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects

_BLOCKS = (1_000, 20_000)
_INDEX = "index.sqlite"
_SPANLAKE = str(Path(sys.executable).with_name("spanlake"))


@dataclass(frozen=True)
class Cost:
    """The cost of a command."""

    command: str
    seconds: float
    cpu_seconds: float
    memory: int  # bytes

    def row(self, blocks: int) -> Iterator[str]:
        """The cells of the table."""
        yield self.command
        yield f"{blocks:,}"
        yield f"{self.seconds:.1f}"
        yield f"{self.cpu_seconds:.1f}"
        yield f"{self.memory >> 20:,}"


def cost(command: str, data: Path) -> Cost:
    """Run a command on a directory; raises CalledProcessError."""
    start = time.perf_counter()
    process = subprocess.Popen([_SPANLAKE, command, "--data", str(data)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(command, time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss << 10)


def prepare(data: Path, blocks: int) -> int:
    """Fill a directory unless it holds blocks, and lose its index; returns how many blocks there are."""
    data.mkdir(exist_ok=True)
    objects = LocalObjects(data)
    if not any(objects.list(BLOCKS)):
        index = SqliteIndex(data / _INDEX)
        fill(objects, index, blocks)
        index.close()
    for file in data.glob(f"{_INDEX}*"):
        file.unlink()
    return sum(1 for _ in objects.list(BLOCKS))


def main() -> None:
    """Measures both commands and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, nargs="+", default=_BLOCKS, help="blocks of a day")
    parser.add_argument("--data", type=Path, help="directory of blocks to take, whose index is removed")
    options = parser.parse_args()
    table = Table("command", "blocks", title="a day of small blocks in a directory")
    for column in ("s", "CPU s", "MiB"):
        table.add_column(column, justify="right")
    for number in options.blocks:
        with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name:
            data = options.data or Path(name)
            blocks = prepare(data, number)
            for command in ("reindex", "verify"):
                table.add_row(*cost(command, data).row(blocks))
    console().print(table)


if __name__ == "__main__":
    main()
