"""A lake of its own for each test, in the environment as the template puts it there."""

import logging
from collections.abc import Iterator

import pytest

from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import settings
from tests.cloud import Cloud


@pytest.fixture
def environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Sets the variables of the template for a new bucket and a new table."""
    variables = {
        "SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}/lake",
        "SPANLAKE_INDEX": f"dynamodb://{cloud.table()}",
        "SPANLAKE_RETENTION": "14d",
        "SPANLAKE_TRUST_TENANT_HEADER": "true",  # most tests call functions without an authorizer before them
        "POWERTOOLS_METRICS_NAMESPACE": "spanlake",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def store(environment: dict[str, str]) -> Iterator[LambdaStore]:
    """Opens the functions' storage for the test."""
    opened = LambdaStore.open(settings(environment))
    yield opened
    opened.index.close()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Functions take over the log of their process, which here is that of the tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
