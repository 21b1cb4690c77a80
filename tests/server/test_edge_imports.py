"""Tests the edge's imports: it loads nothing of queries."""

import subprocess
import sys

EDGE = "import spanlake.server.edge, spanlake.store.objects.s3, spanlake.store.index.dynamodb.index, uvloop"
REPORT = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
PARTS = "; import sys; print(*sorted({'.'.join(name.split('.')[:2]) for name in sys.modules if 'spanlake.' in name}))"


def loaded(program: str, *candidates: str) -> set[str]:
    """Which of these packages there are once the program is ready, or which parts of spanlake."""
    command = [sys.executable, "-c", program, *candidates]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_edge_does_not_import_packages_of_queries() -> None:
    foreign = ("duckdb", "fastapi", "numpy", "pydantic", "sqlglot", "typer")
    assert loaded(EDGE + REPORT, *foreign) == set()


def test_edge_does_not_import_queries_of_spanlake() -> None:
    assert not loaded(EDGE + PARTS) & {"spanlake.query", "spanlake.traceql", "spanlake.cli", "spanlake.aws"}
