"""Ids are found by their bytes, however a block has them encoded.

DuckDB 1.5 loses rows where a filter on a BLOB column meets Parquet pages with a dictionary; here every size of block
has its say, and ids of every byte.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.query.kit import NOON, Lake
from tests.store.tables import span_table

EDGES = [bytes([byte]) * 16 for byte in (0x00, 0x01, 0x27, 0x5C, 0x7F, 0x80, 0xFE, 0xFF)][1:]


def spans(size: int) -> pa.Table:
    """Traces of about nine spans, ids of all byte values; every id's low bytes differ."""
    chance = random.Random(size)
    every = [bytes((first + n) % 256 for n in range(16)) for first in range(0, 256, 16)]
    ids = [*EDGES, *every, *(chance.randbytes(16) for _ in range(size // 9))]
    rows = range(size)
    plain = span_table([{"start_time_unix_nano": NOON}])
    table = plain.take(pa.array([0] * size))
    changed: dict[str, Any] = {
        "trace_id": pa.array([ids[n % len(ids)] for n in rows], pa.binary()),
        "span_id": pa.array([(n + 1).to_bytes(8) for n in rows], pa.binary()),
        "parent_span_id": pa.array([n.to_bytes(8) if n % 9 else None for n in rows], pa.binary()),
        "start_time_unix_nano": pa.array([NOON + n for n in rows], pa.int64()),
    }
    for name, column in changed.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    return table


@pytest.mark.parametrize("size", [1, 100, 5_000, 130_000])
def test_every_id_is_found(tmp_path: Path, size: int) -> None:
    lake, table = Lake(tmp_path), spans(size)
    lake.add_table(table)
    counts = Counter(trace_id for trace_id in table["trace_id"].to_pylist() if trace_id)
    chosen = list(dict.fromkeys([*list(counts)[:24], *random.Random(1).sample(list(counts), min(6, len(counts)))]))
    for trace_id in chosen:
        found = lake.querier.trace("kit", trace_id)
        assert found is not None
        assert found.num_rows == counts[trace_id]
    either = " || ".join(f'trace:id = "{trace_id.hex()}"' for trace_id in chosen)
    traces = lake.search(f"{{ {either} }}")
    assert {trace.header.trace_id for trace in traces} == set(chosen)
    assert sum(trace.sets[0].matched for trace in traces) == sum(counts[trace_id] for trace_id in chosen)
    lake.close()


@pytest.mark.parametrize("size", [1, 100, 5_000, 130_000])
def test_every_span_id_is_found(tmp_path: Path, size: int) -> None:
    lake, table = Lake(tmp_path), spans(size)
    lake.add_table(table)
    for number in {1, size, size // 2 + 1, min(256, size), min(122_881, size)}:
        (found,) = lake.search(f'{{ span:id = "{number:x}" }}')
        assert [span.span_id for span in found.sets[0].spans] == [number.to_bytes(8)]
    children = [n for n in (1, size // 2, size - 1) if n % 9 and n < size]
    for number in children:
        (found,) = lake.search(f'{{ span:parentID = "{number:016x}" }}')
        assert [span.span_id for span in found.sets[0].spans] == [(number + 1).to_bytes(8)]
    lake.close()
