"""Tests that differences between two templates are found, and that equal meanings in other notations are none."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from tests.infra.alike import differences
from tests.infra.sources import of_sam

Change = Callable[[dict[str, Any]], object]
_CHOICE = {"AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms"}


def _statements(resources: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = resources["LakePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return found


CHANGES: Mapping[str, Change] = {
    "a resource less": lambda resources: resources.pop("StatusRoute"),
    "an action more": lambda resources: _statements(resources)[1].update(Action=["s3:*", "s3express:*"]),
    "an action on something else": lambda resources: _statements(resources)[0].update(Resource="*"),
    "another variable": lambda resources: resources["QueryFunction"]["Properties"]["Environment"]["Variables"].update(
        SPANLAKE_QUERY_SPANS="1"
    ),
    "another route": lambda resources: resources["EchoRoute"]["Properties"].update(RouteKey="GET /echo"),
    "an open route": lambda resources: resources["ReadyRoute"]["Properties"].update(AuthorizationType="NONE"),
    "a route to another function": lambda resources: resources["OtlpRoute"]["Properties"].update(
        Target=deepcopy(resources["EchoRoute"]["Properties"]["Target"])
    ),
    "another filter": lambda resources: resources["CompactFunctionNewBlocks"]["Properties"].pop("FilterCriteria"),
    "another lifecycle": lambda resources: resources["Lake"]["Properties"]["LifecycleConfiguration"]["Rules"].pop(),
    "data that goes with the stack": lambda resources: resources["Index"].pop("DeletionPolicy"),
    "another parameter of a stack inside": lambda resources: resources["Roles"]["Properties"]["Parameters"].update(
        Table="another"
    ),
    "tokens that go with the stack": lambda resources: resources["Tokens"].pop("DeletionPolicy"),
    "a stack inside less": lambda resources: resources.pop("Alarms"),
    "something to wait for": lambda resources: resources["Stage"].update(DependsOn=["OtlpRoute"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_found(change: Change, packaged: Mapping[str, Any]) -> None:
    changed = json.loads(json.dumps(packaged))
    change(changed["Resources"])
    assert differences(of_sam(packaged, _CHOICE), of_sam(changed, _CHOICE)) != ([], [])


SAME: Mapping[str, Change] = {
    "the order of statements": lambda resources: _statements(resources).reverse(),
    "one action without its list": lambda resources: _statements(resources)[0].update(Action=["s3:*"]),
    "the name of a route": lambda resources: resources.update(Other=resources.pop("EchoRoute")),
    "a default": lambda resources: resources["ExpireFunctionOnceADay"]["Properties"].update(State="ENABLED"),
    "a number as text": lambda resources: resources["Undone"]["Properties"].update(MessageRetentionPeriod="1209600"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_another_way_of_writing_is_none(change: Change, packaged: Mapping[str, Any]) -> None:
    changed = json.loads(json.dumps(packaged))
    change(changed["Resources"])
    assert differences(of_sam(packaged, _CHOICE), of_sam(changed, _CHOICE)) == ([], [])


@pytest.mark.parametrize(
    "parameters", [{"RetentionDays": "30"}, {"KeepTable": "false"}, {"JwtIssuer": "https://issuer.example"}]
)
def test_a_choice_is_found(parameters: Mapping[str, str], packaged: Mapping[str, Any]) -> None:
    assert differences(of_sam(packaged, {}), of_sam(packaged, parameters)) != ([], [])
