"""Tests the edge's imports: supervisor and workers load no more than they need."""

import subprocess
import sys

SUPERVISOR = "import spanlake.cli.main, spanlake.telemetry.logs, spanlake.workers.run, spanlake.workers.supervisor"
WORKER = "import spanlake.workers.worker, spanlake.store.objects.s3, spanlake.store.index.dynamodb.index, uvloop"
REPORT = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
PARTS = "; import sys; print(*sorted({'.'.join(name.split('.')[:2]) for name in sys.modules if 'spanlake.' in name}))"

OF_EDGE = "; import sys; print(*(name for name in sys.modules if name.startswith('spanlake.edge')))"


def loaded(program: str, *candidates: str) -> set[str]:
    """Which of these packages there are once the program is ready, or which parts of spanlake."""
    command = [sys.executable, "-c", program, *candidates]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_supervisor_does_not_import_modules_of_workers() -> None:
    theirs = ("botocore", "duckdb", "grpc", "numpy", "prometheus_client", "ptars", "pyarrow", "sqlglot")
    assert loaded(SUPERVISOR + REPORT, *theirs) == set()


def test_workers_do_not_import_queries_and_http() -> None:
    foreign = ("duckdb", "numpy", "pydantic", "sqlglot", "starlette", "typer", "uvicorn")
    assert loaded(WORKER + REPORT, *foreign) == set()


def test_workers_and_supervisor_import_only_their_packages_of_spanlake() -> None:
    assert not loaded(WORKER + PARTS) & {"spanlake.api", "spanlake.query", "spanlake.traceql", "spanlake.cli"}
    assert not loaded(SUPERVISOR + PARTS) & {"spanlake.query", "spanlake.receivers", "spanlake.spans"}
    assert loaded(SUPERVISOR + OF_EDGE) <= {"spanlake.edge", "spanlake.edge.connections"}
