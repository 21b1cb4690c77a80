"""A dead server's storage, looked into without touching it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.objects.base import Objects
from tests.scenarios.chaos.ledger import Ledger
from tests.scenarios.chaos.spans import Sending
from tests.scenarios.chaos.storage import ChaosStorage

TENANT = "single-tenant"


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


def inspect(storage: ChaosStorage) -> Inspection:
    """Look at storage that no process uses."""
    with storage.left() as store:
        live = store.index.find(TENANT, MIN_NS, MAX_NS)
        paths = {info.path for info in store.objects.list(BLOCKS)}
        there = [block for block in live if block.path in paths]
        counted, rows = _read(store.objects, there)
    return Inspection(
        live,
        [block.path for block in live if block.path not in paths],
        rows,
        [block.path for block in there if counted[block.id] != block.spans],
    )


def _read(objects: Objects, blocks: Sequence[Block]) -> tuple[Counter[str], Counter[bytes]]:
    """Counts the rows of each block, and the rows of each span among them that are not hidden."""
    counted: Counter[str] = Counter()
    rows: Counter[bytes] = Counter()
    for block in blocks:
        with objects.open(block.path) as file:
            table = pq.read_table(file, columns=["trace_id", "span_id"])
        counted[block.id] = table.num_rows
        ids = zip(table["trace_id"].to_pylist(), table["span_id"].to_pylist(), strict=True)
        rows.update(span_id for trace_id, span_id in ids if span_id and trace_id not in block.hidden)
    return counted, rows


def _named(span_id: bytes) -> str:
    return f"span {span_id.hex()} of {Sending.of(span_id)}"
