"""Tests the imports of functions before their first event: they load nothing that they do not need."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
HEAVY = (
    "duckdb",
    "fastapi",
    "grpc",
    "numpy",
    "prometheus_client",
    "pyarrow",
    "pydantic",
    "sqlglot",
    "typer",
    "uvicorn",
)
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "SPANLAKE_OBJECTS": "s3://lake",
    "SPANLAKE_INDEX": "dynamodb://index",
    "SPANLAKE_TOKENS_SECRET": "tokens",
}
REPORT = "import handler, json, sys; print(json.dumps(sorted(set(sys.modules) & set(sys.argv[1:]))))"


def loaded(function: str, environment: Mapping[str, str], *candidates: str) -> list[str]:
    """Which of these modules there are once a function is ready."""
    command = [sys.executable, "-c", REPORT, *candidates]
    done = subprocess.run(command, cwd=FUNCTIONS / function, env=environment, capture_output=True, check=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("function", "modules"),
    [
        ("ingest", ["pyarrow"]),
        ("query", ["duckdb", "fastapi", "pyarrow", "pydantic", "sqlglot"]),
        ("compact", ["pyarrow"]),
        ("expire", ["pyarrow"]),
        ("authorize", []),
    ],
)
def test_heavy_modules(function: str, modules: list[str]) -> None:
    assert loaded(function, ENVIRONMENT, *HEAVY) == modules


def test_queries_load_no_ingestion() -> None:
    ingestion = ("spanlake.ingest.service", "spanlake.spans.otlp.decode", "spanlake.receivers.translation")
    assert loaded("query", ENVIRONMENT, *ingestion) == []
    assert loaded("ingest", ENVIRONMENT, *ingestion) == sorted(ingestion)


def test_start_leaves_garbage_collection_on_and_the_loaded_out_of_it() -> None:
    program = "import gc, handler; print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FUNCTIONS / "ingest", env=ENVIRONMENT, capture_output=True, check=True
    )
    assert done.stdout == b"True True\n"


def test_the_tracer_is_loaded_only_where_it_is_wanted() -> None:
    assert loaded("authorize", ENVIRONMENT, "aws_xray_sdk") == []
    traced = ENVIRONMENT | {"POWERTOOLS_TRACE_DISABLED": "false", "LAMBDA_TASK_ROOT": "/var/task"}
    assert loaded("authorize", traced, "aws_xray_sdk") == ["aws_xray_sdk"]
