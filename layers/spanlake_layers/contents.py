"""Contents of the layers, and the files that no function needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SERVICES = ("athena", "dynamodb", "glue", "s3", "secretsmanager", "sts")
"""AWS services that functions call; botocore has no others in a layer."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the requirements whose wheels, with their dependencies, are in it."""

    name: str
    requirements: Sequence[str]
    spanlake: bool = False  # True if spanlake itself is in it
    above: "Layer | None" = None  # a layer that is always present too, whose packages are left out of this one


COMMON = Layer(
    "common",
    (
        "aws-lambda-powertools[tracer]",
        "botocore",
        "googleapis-common-protos",
        "mangum",
        "opentelemetry-proto",
        "protobuf",
        "ptars",
        "pyarrow",
        "pydantic-core",
        "snapshot-restore-py",
        "starlette",
    ),
    spanlake=True,
)
QUERY = Layer(
    "query",
    ("duckdb", "duckdb-extension-httpfs", "fastapi", "fastapi-offline", "google-re2", "sqlglot"),
    above=COMMON,
)
LAYERS = (COMMON, QUERY)

UNUSED: Mapping[str, Sequence[str]] = {
    "what is for compilers and type checkers": (
        "**/*.pyi",
        "**/*.pyx",
        "**/*.pxd",
        "**/*.pxi",
        "**/*.h",
        "**/*.hpp",
        "**/*.proto",
        "pyarrow/include",
        "pyarrow/src",
        "*-stubs",
    ),
    "commands, tests and examples": ("bin", "*/tests", "botocore/data/*/*/examples-1.json"),
    "parts of Arrow that spanlake does not call": (
        "pyarrow/_azurefs.*",
        "pyarrow/_cuda.*",
        "pyarrow/_flight.*",
        "pyarrow/_gcsfs.*",
        "pyarrow/_hdfs.*",
        "pyarrow/_orc.*",
        "pyarrow/_dataset_orc.*",
        "pyarrow/_pyarrow_cpp_tests.*",
        "pyarrow/_s3fs.*",
        "pyarrow/_substrait.*",
        "pyarrow/libarrow_flight.*",
        "pyarrow/libarrow_python_flight.*",
        "pyarrow/libarrow_s3.*",
    ),
    # A wheel has no links: a library with several names is there several times. Libraries load the middle name.
    "copies of libraries": ("pyarrow/libarrow_python*.so", "pyarrow/libarrow*.so.*.*.*"),
    "the second viewer of API documents": ("fastapi_offline/static/redoc*",),
    # FastAPI asks of each parameter's type if it is of version 1: where that is absent, it is not.
    "version 1 of pydantic, which takes a tenth of a start of queries": ("pydantic/v1",),
    "other interfaces of DuckDB": ("adbc_driver_duckdb", "duckdb/experimental"),
    "parts of Powertools that spanlake does not call": (
        "aws_lambda_powertools/event_handler",
        "aws_lambda_powertools/utilities/data_masking",
        "aws_lambda_powertools/utilities/idempotency",
        "aws_lambda_powertools/utilities/kafka",
        "aws_lambda_powertools/utilities/validation",
    ),
}
"""Patterns of paths below ``python``, by the reason for their removal."""

SERVICE_DATA = ("botocore/data/*",)
"""Folders in which only the data of SERVICES is kept."""
