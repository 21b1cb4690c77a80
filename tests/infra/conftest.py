"""The template deployed, once for all tests of a choice of parameters."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from tests.infra.deployment import BUCKET, Deployment, deploy
from tests.infra.sam import transformed
from tests.infra.template import Template

Deploy = Callable[..., Deployment]


@pytest.fixture(scope="session")
def template() -> Template:
    """As it stands."""
    return Template.load()


@pytest.fixture(scope="session")
def packaged() -> Mapping[str, Any]:
    """The template after SAM's transform."""
    return transformed(BUCKET)


@pytest.fixture(scope="session")
def deployed(packaged: Mapping[str, Any]) -> Deploy:
    """Deploys it with parameters, given by name."""

    @cache
    def deployed(**parameters: str) -> Deployment:
        rollout = parameters.get("Rollout")
        return deploy(transformed(BUCKET, rollout) if rollout else packaged, parameters)

    return deployed
