"""Measures the time to the first answer, and the cost of importing the heavy packages."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.table import Table

from bench.measure.report import console
from bench.measure.server import serving

_ROUNDS = 5
_PACKAGES = (
    "pyarrow",
    "pyarrow.parquet",
    "duckdb",
    "sqlglot",
    "re2",
    "ptars",
    "google.protobuf",
    "grpc",
    "starlette.applications",
    "uvicorn",
)
_TIMED_IMPORT = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"


def first_answer() -> float:
    """Seconds from the start of the process, on an empty data directory, to the first answer of /ready."""
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder:
        begin = time.perf_counter()
        with serving(Path(folder, "data")):
            return time.perf_counter() - begin


def import_time(modules: str) -> float:
    """Seconds that importing the modules, separated by commas, takes in a fresh interpreter."""
    command = [sys.executable, "-c", _TIMED_IMPORT.format(modules)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measures and prints the table."""
    parts = {f"import {name}": name for name in (*_PACKAGES, "spanlake.cli.main")}
    parts["all of these packages"] = ", ".join(_PACKAGES)
    table = Table("what", title="Start", caption=f"Median of {_ROUNDS}.")
    table.add_column("ms", justify="right")
    screen = console()
    with screen.status("starting and importing"):
        rows = {"`spanlake serve` to the first answer of /ready": [first_answer() for _ in range(_ROUNDS)]}
        rows |= {label: [import_time(modules) for _ in range(_ROUNDS)] for label, modules in parts.items()}
    for label, seconds in rows.items():
        table.add_row(label, f"{statistics.median(seconds) * 1000:,.0f}")
    screen.print(table)


if __name__ == "__main__":
    main()
