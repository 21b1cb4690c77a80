"""A dead server's data directory, looked into without touching it."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index import Block
from spanlake.store.sqlite import SqliteIndex
from tests.chaos.ledger import Ledger
from tests.chaos.spans import Sending

TENANT = "single-tenant"

_ROWS = """
    SELECT parse_filename(filename, true) AS id, trace_id, span_id
    FROM read_parquet($files, union_by_name = true, filename = true)
"""


@dataclass(frozen=True)
class Inspection:
    """Content of the index, and of the objects that it names."""

    live: Sequence[Block]
    lost: Sequence[str]  # paths of live blocks without an object
    rows: Counter[bytes]  # how often a span is there, by its id
    miscounted: Sequence[str]  # paths of blocks whose object has other than so many rows

    @property
    def repeated(self) -> int:
        """Number of spans that are stored more than once."""
        return sum(count > 1 for count in self.rows.values())

    def violations(self, ledger: Ledger) -> Iterator[str]:
        """Yields the violations of the rules that hold while clients still wait for answers."""
        spans = ledger.spans()
        yield from (f"{path} has an entry but no object" for path in self.lost)
        yield from (f"{path} has not as many rows as its entry says" for path in self.miscounted)
        yield from (f"{_named(id_)} was acknowledged and is not there" for id_ in spans.certain - self.rows.keys())
        yield from (f"{_named(id_)} should not be there" for id_ in self.rows.keys() - spans.possible)
        for id_, count in self.rows.items():
            if id_ in spans.possible and count > ledger.chances(Sending.of(id_)):
                yield f"{_named(id_)} is there {count} times"

    def violations_in_the_end(self, ledger: Ledger) -> Iterator[str]:
        """Yields the violations of the rules that hold when all clients are done and all blocks are compacted."""
        yield from self.violations(ledger)
        yield from (f"{_named(id_)} is there {count} times" for id_, count in self.rows.items() if count > 1)
        if self.rows.keys() != ledger.spans().certain:
            yield f"{len(self.rows)} spans are stored, {len(ledger.spans().certain)} should be"


def inspect(data: Path) -> Inspection:
    """Look at a directory that no process uses; the index is opened in a copy, as it was left."""
    with _copied_index(data) as index:
        live = index.find(TENANT, MIN_NS, MAX_NS)
    there = [block for block in live if (data / block.path).exists()]
    counted, rows = _read(data, there)
    return Inspection(
        live,
        [block.path for block in live if block not in there],
        rows,
        [block.path for block in there if counted[block.id] != block.spans],
    )


@contextmanager
def _copied_index(data: Path) -> Iterator[SqliteIndex]:
    with tempfile.TemporaryDirectory() as directory:
        for file in data.glob("index.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, directory)
        index = SqliteIndex(Path(directory) / "index.sqlite")
        try:
            yield index
        finally:
            index.close()


def _read(data: Path, blocks: Sequence[Block]) -> tuple[Counter[str], Counter[bytes]]:
    """Counts the rows of each block, and the rows of each span among them that are not hidden."""
    counted: Counter[str] = Counter()
    rows: Counter[bytes] = Counter()
    if blocks:
        hidden = {block.id: block.hidden for block in blocks}
        files = [str(data / block.path) for block in blocks]
        with duckdb.connect() as connection:
            for block_id, trace_id, span_id in connection.execute(_ROWS, {"files": files}).fetchall():
                counted[block_id] += 1
                if trace_id not in hidden[block_id]:
                    rows[span_id] += 1
    return counted, rows


def _named(span_id: bytes) -> str:
    return f"span {span_id.hex()} of {Sending.of(span_id)}"
