"""The instance of DuckDB, and the one that takes its place."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanlake.query.engine.duckdb import DuckDB, RenewalPolicy


def _count(duck: DuckDB, path: Path) -> int:
    duck.session()
    (row,) = duck.execute(f"SELECT count(*) AS n FROM read_parquet('{path}')", lambda: None).to_pylist()
    return int(row["n"])


@pytest.mark.parametrize(("share", "is_renewed"), [(1 << 40, True), (1, False)])
def test_instance_that_keeps_too_much_of_blocks_is_renewed(tmp_path: Path, share: int, *, is_renewed: bool) -> None:
    path = tmp_path / "block.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    duck = DuckDB([str(tmp_path)], renewal=RenewalPolicy(memory_share=share, least_seconds=0.0))
    first = duck._root
    assert [_count(duck, path) for _ in range(3)] == [3, 3, 3]
    assert (duck._root is not first) == is_renewed
