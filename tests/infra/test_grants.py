"""Roles allow what functions ask of AWS, and nothing else."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping

import pytest

from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import settings
from tests.cloud import Cloud
from tests.infra import asking
from tests.infra.asking import Ask, Lake
from tests.infra.calls import Call, Statement, recorded
from tests.infra.conftest import Deploy
from tests.infra.deployment import Deployment

ASKING: Mapping[str, Callable[[Lake], Ask]] = {
    "Authorize": asking.authorizing,
    "Ingest": asking.ingesting,
    "Query": asking.querying,
    "Compact": asking.compacting,
    "Expire": asking.expiring,
}

_BY_LAMBDA = "Lambda does it in the function's name"
_BY_ATHENA = "Athena does it in the function's name"
_BY_QUERIES = "is asked for where Athena is"
_BY_UNITS = "is asked for where the environment names the function that compacts"
_TOLD = "S3 says that an object is missing to those alone who may list"
NOT_ASKED_FOR: Mapping[tuple[str, str], str] = {
    **{(name, "Log"): _BY_LAMBDA for name in ASKING},
    ("Compact", "Stream"): _BY_LAMBDA,
    ("Compact", "Streams"): _BY_LAMBDA,
    ("Compact", "Undone"): _BY_LAMBDA,
    ("Expire", "Undone"): _BY_LAMBDA,
    ("Compact", "Units"): _BY_UNITS,
    ("Expire", "Units"): _BY_UNITS,
    ("Query", "Athena"): _BY_QUERIES,
    ("Query", "Columns"): _BY_ATHENA,
    ("Query", "ResultsOfAthena"): _BY_ATHENA,
    ("Compact", "Columns"): _BY_QUERIES,
    ("Expire", "Columns"): _BY_QUERIES,
    ("Query", "Missing"): _TOLD,
    ("Compact", "Missing"): _TOLD,
}
"""Statements that are there for other reasons than that the function asks for it."""


@pytest.fixture
def lake(cloud: Cloud, deployed: Deploy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """A new one, whose names stand in the environment as the template sets it."""
    environments = deployed().environments
    environment = {**environments["ingest"], **environments["authorize"]}
    environment |= {"SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}", "SPANLAKE_INDEX": f"dynamodb://{cloud.table()}"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    store = LambdaStore.open(settings(environment))
    yield Lake(store, monkeypatch)
    store.index.close()
    root.handlers, root.level = handlers, level


def allowed(deployment: Deployment, function: str, lake: Lake) -> list[Statement]:
    """Returns the statements of a function's role, as if it had been deployed for this lake."""
    text = json.dumps(deployment[f"{function}Role"]["Policies"])
    text = text.replace(deployment.outputs["Bucket"], lake.store.objects.location.bucket)
    text = text.replace(deployment.outputs["Table"], lake.store.index.table)
    ((policy,),) = [json.loads(text)]
    return [Statement.parse(found) for found in policy["PolicyDocument"]["Statement"] if found]


@pytest.mark.parametrize("function", ASKING)
def test_a_role_allows_what_its_function_asks_for(deployed: Deploy, cloud: Cloud, lake: Lake, function: str) -> None:
    ask = ASKING[function](lake)
    with recorded(cloud, lake.store.objects.location.bucket) as made:
        ask()
    statements = allowed(deployed(), function, lake)
    assert not [call for call in made if not any(statement.allows(call) for statement in statements)]
    assert used(statements, made) == {
        (statement.sid, action)
        for statement in statements
        for action in statement.actions
        if (function, statement.sid) not in NOT_ASKED_FOR
    }


def used(statements: list[Statement], made: set[Call]) -> set[tuple[str, str]]:
    return {(statement.sid, call.action) for call in made for statement in statements if statement.allows(call)}


def test_each_exception_is_one(deployed: Deploy, lake: Lake) -> None:
    there = {(name, statement.sid) for name in ASKING for statement in allowed(deployed(Athena="true"), name, lake)}
    assert NOT_ASKED_FOR.keys() <= there


@pytest.mark.parametrize("function", ASKING)
def test_no_role_has_more_than_the_documents_here(deployed: Deploy, function: str) -> None:
    assert deployed()[f"{function}Role"].keys() == {"AssumeRolePolicyDocument", "Policies"}


@pytest.mark.parametrize("function", ASKING)
def test_only_traces_are_sent_to_anywhere(deployed: Deploy, lake: Lake, function: str) -> None:
    wide = [found.sid for found in allowed(deployed(Tracing="true"), function, lake) if "*" in found.resources]
    assert wide == ["Traces"]
