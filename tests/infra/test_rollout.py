"""New versions of functions take over at once, or bit by bit by CodeDeploy, which takes them back."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.deployment import BUCKET, STACK
from tests.infra.evaluated import Resource
from tests.infra.sam import transformed
from tests.infra.sources import of_sam
from tests.infra.template import Template

GRADUAL = "Canary10Percent5Minutes"
ANSWERING = ("Authorize", "Ingest", "Query")
_ISSUER = {"JwtIssuer": "https://issuer.example", "JwtAudience": "spanlake"}


def resources(rollout: str, **parameters: str) -> Mapping[str, Resource]:
    return dict(of_sam(transformed(BUCKET, rollout), {"Rollout": rollout, **parameters}).resources())


def groups(found: Mapping[str, Resource]) -> dict[str, Mapping[str, Any]]:
    type_ = "AWS::CodeDeploy::DeploymentGroup"
    return {name: one.properties for name, one in found.items() if one.type == type_}


def test_rollout_at_once_has_no_codedeploy() -> None:
    found = resources("AllAtOnce")
    assert not [name for name, one in found.items() if "CodeDeploy" in one.type or name.startswith("Rollouts/")]
    assert {one.policies["UpdatePolicy"] for one in found.values()} == {"Delete"}


def test_gradual_rollout_has_a_group_for_each_function_that_answers_requests() -> None:
    found = resources(GRADUAL)
    assert groups(found).keys() == {f"{name}FunctionDeploymentGroup" for name in ANSWERING}
    for name in ANSWERING:
        update = found[f"{name}FunctionAliaslive"].policies["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert update["DeploymentGroupName"] == f"<{name}FunctionDeploymentGroup>"
    assert groups(resources(GRADUAL, **_ISSUER)).keys() == {f"{name}FunctionDeploymentGroup" for name in ANSWERING[1:]}


@pytest.mark.parametrize("name", ANSWERING)
def test_gradual_rollout_is_taken_back_by_alarms_of_the_function_and_the_api(name: str) -> None:
    found = resources(GRADUAL)
    group = groups(found)[f"{name}FunctionDeploymentGroup"]
    assert group["DeploymentConfigName"] == f"CodeDeployDefault.Lambda{GRADUAL}"
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    alarms = [one["Name"].strip("<>") for one in group["AlarmConfiguration"]["Alarms"]]
    assert alarms == ["Rollouts/ApiFails", f"Rollouts/{name}Errors"]
    dimensions = {one["Name"]: one["Value"] for one in found[alarms[1]].properties["Dimensions"]}
    function = f"{STACK}-{name.lower()}"
    assert dimensions == {"FunctionName": function, "Resource": f"{function}:live"}


def test_choices_of_rollouts_are_those_that_codedeploy_has(template: Template) -> None:
    choices = template.content["Parameters"]["Rollout"]["AllowedValues"]
    assert choices == [*template.content["Mappings"]["RolloutModes"]]
    assert [name for name in choices if not template.content["Mappings"]["RolloutModes"][name]["IsGradual"]] == [
        "AllAtOnce"
    ]
