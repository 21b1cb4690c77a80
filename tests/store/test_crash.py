"""Processes that write are killed at random instants; what they had acknowledged is there."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa

from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from tests.store.blocks.test_parquet import decoded

# Writes blocks over midnight until it is killed, and prints the ids of each batch when it is written.
WRITER = """
import itertools, sys
from pathlib import Path
from spanlake.store.objects.local import LocalObjects
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.write import write
from tests.store.test_write import OVER_MIDNIGHT
from tests.store.tables import STATUS, span_table

directory, name = Path(sys.argv[1]), sys.argv[2]
objects, index = LocalObjects(directory / "objects"), SqliteIndex(directory / "index.db")
for number in itertools.count():
    table = span_table(OVER_MIDNIGHT, {STATUS: [number, number]})
    blocks = write(objects, index, "a", table, f"{name} {number}".encode())
    print(*(block.id for block in blocks), flush=True)
"""

ROUNDS = 3


def acknowledged_until_killed(directory: Path, name: str) -> list[str]:
    """Run two writers, kill them both, and return the ids they had acknowledged."""
    command = [sys.executable, "-c", WRITER, str(directory)]
    writers = [
        subprocess.Popen([*command, f"{name}{number}"], stdout=subprocess.PIPE, text=True) for number in range(2)
    ]
    ids: list[str] = []
    for writer in writers:
        assert writer.stdout is not None
        ids += writer.stdout.readline().split()  # it is writing by now
    time.sleep(random.uniform(0, 0.2))
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        whole_lines = writer.communicate()[0].rpartition("\n")[0]
        ids += whole_lines.split()
    return ids


def test_what_was_acknowledged_is_there_and_what_is_indexed_can_be_read(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        acknowledged += acknowledged_until_killed(tmp_path, f"round {number} ")
        objects, index = LocalObjects(tmp_path / "objects"), SqliteIndex(tmp_path / "index.db")
        live = index.find("a", MIN_NS, MAX_NS)
        index.close()
        assert {block.id for block in live} >= set(acknowledged)
        for block in live:
            table = decoded(pa.py_buffer(objects.get(block.path)))
            assert table.num_rows == block.spans
        assert {info.path for info in objects.list()} >= {block.path for block in live}
        assert not list((tmp_path / "objects" / ".tmp").iterdir())
    assert len(acknowledged) >= 4 * ROUNDS
