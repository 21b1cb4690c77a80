"""The blocks of a data directory, read by DuckDB alone: what any query engine on these files would have to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.tenant import DEFAULT_TENANT

_HOUR = 3600
_ALWAYS = (0, 2**63 - 1)


class Blocks:
    """The live blocks of a data directory."""

    def __init__(self, data: Path) -> None:
        index = SqliteIndex(data / "index.sqlite")
        blocks = index.find(DEFAULT_TENANT, *_ALWAYS)
        index.close()
        self.spans = sum(block.spans for block in blocks)
        self._files = [str(data / block.path) for block in blocks]
        self._database = duckdb.connect()
        self._database.execute("SET parquet_metadata_cache = true")  # as spanlake has it: footers are read once

    def __len__(self) -> int:
        return len(self._files)

    def hours(self) -> tuple[int, int]:
        """The full hours in Unix seconds between which all spans start."""
        ((first, last),) = self._rows("SELECT min(start_time_unix_nano), max(start_time_unix_nano) FROM blocks")
        hour_ns = _HOUR * 1_000_000_000
        return first // hour_ns * _HOUR, -(-last // hour_ns) * _HOUR

    def known(self) -> dict[str, str]:
        """Values that queries ask for: a trace of middling size and a product."""
        trace = self._rows(
            "SELECT lower(hex(trace_id)) FROM blocks GROUP BY ALL ORDER BY abs(count(*) - 12), 1 LIMIT 1"
        )
        product = self._rows("SELECT any_value(span_app_products___strings[1]) FROM blocks")
        return {"trace": trace[0][0], "product": product[0][0]}

    def scan(self, columns: Sequence[str]) -> None:
        """Reads every value of the columns; `*` stands for all of them."""
        if not columns:
            return
        read = "blocks" if "*" in columns else ", ".join(columns)
        self._rows(f"SELECT bit_xor(hash({read})) FROM blocks")

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        blocks = "WITH blocks AS (FROM read_parquet($files, union_by_name = true))"
        return self._database.execute(f"{blocks} {sql}", {"files": self._files}).fetchall()
