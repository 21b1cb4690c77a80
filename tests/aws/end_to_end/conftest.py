"""Defines a deployment that all tests share, each with tenants of its own."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.aws.end_to_end.kit import TENANTS, token
from tests.aws.local.contract import COMPACT, ROUTES
from tests.aws.local.stack import Plan, Stack, deployed
from tests.cloud import Cloud


@pytest.fixture(scope="session")
def stack(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The deployment, but for the minutes that compaction waits for more to come."""
    plan = Plan(
        ROUTES,
        sources={"compact": replace(COMPACT, window=1.0)},
        tokens={token(tenant): tenant for tenant in TENANTS},
        variables={"SPANLAKE_RETENTION": "0"},  # what is recorded is older from day to day
    )
    with deployed(cloud, tmp_path_factory.mktemp("functions"), plan) as stack:
        yield stack
