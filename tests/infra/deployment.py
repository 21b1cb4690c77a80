"""The template deployed into moto's CloudFormation, which fills in what refers to what and makes what it can make."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unittest import mock

import boto3
import pytest
from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends

from tests.infra.kept import ACCOUNT, REGION, register
from tests.infra.template import INNER, ROOT

STACK = "spanlake"
BUCKET = "packages"


@dataclass(frozen=True)
class Resource:
    """Resource that CloudFormation has told a service to make."""

    type: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Deployment:
    """Resources and outputs of a template with parameters. The stack itself is deleted."""

    resources: Mapping[str, Resource]
    """By logical id, of the stack and of those inside it."""
    outputs: Mapping[str, str]

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """The properties of a resource."""
        return self.resources[name].properties

    def of_type(self, type_: str) -> dict[str, Mapping[str, Any]]:
        """The properties of all resources of a type."""
        return {name: found.properties for name, found in self.resources.items() if found.type == type_}

    @cached_property
    def environments(self) -> Mapping[str, Mapping[str, str]]:
        """The variables of the functions, by what comes after the stack in their names."""
        functions = self.of_type("AWS::Lambda::Function").values()
        return {
            function["FunctionName"].removeprefix(f"{STACK}-"): function["Environment"]["Variables"]
            for function in functions
        }


def deploy(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Deployment:
    """Deploy a template that CloudFormation's transform has been through; raises botocore's errors.

    In parameters, ``{vpc}`` and ``{subnets}`` stand for the network that every account has from the start.
    """
    register()
    made: dict[str, Resource] = {}
    with _no_other_aws(), mock_aws(), mock.patch.object(*_noting(made)):
        _package(template)
        client = boto3.client("cloudformation", region_name=REGION)
        client.create_stack(
            StackName=STACK,
            TemplateURL=f"https://s3.amazonaws.com/{BUCKET}/template.json",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in _filled(parameters)],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        stacks = cloudformation_backends[ACCOUNT][REGION].stacks.values()
        (own,) = [_outputs(stack) for stack in stacks if stack.name == STACK]
    return Deployment(made, own)


def _filled(parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    subnets = boto3.client("ec2", region_name=REGION).describe_subnets()["Subnets"]
    ids = ",".join(subnet["SubnetId"] for subnet in subnets)
    for name, value in parameters.items():
        yield name, value.format(vpc=subnets[0]["VpcId"], subnets=ids)


def _outputs(stack: Any) -> dict[str, str]:
    return {output.key: output.value for output in stack.output_map.values() if output}


@contextmanager
def _no_other_aws() -> Iterator[None]:
    """Servers that stand in for AWS in other tests are not asked."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
            patch.delenv(name)
        yield


def _noting(made: dict[str, Resource]) -> tuple[Any, str, Callable[..., Any]]:
    """A function of moto's that is called for each resource, and one that notes what it says, in its place."""
    original = parsing.parse_resource_and_generate_name

    def noting(logical_id: str, resource: dict[str, Any], others: Any) -> Any:
        found = original(logical_id, resource, others)
        made[logical_id] = Resource(resource["Type"], deepcopy(found[1]["Properties"]))
        return found

    return parsing, "parse_resource_and_generate_name", noting


def _package(template: Mapping[str, Any]) -> None:
    """Put all that the template names, and itself, where they are looked for."""
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(Bucket=BUCKET)
    for key in _keys(template):
        client.put_object(Bucket=BUCKET, Key=key, Body=_archive())
    for inner in INNER:
        client.put_object(Bucket=BUCKET, Key=str(inner.relative_to(ROOT)), Body=inner.read_bytes())
    client.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template).encode())


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "S3Key" in value:
            yield value["S3Key"]
        for inner in value.values():
            yield from _keys(inner)


def _archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", "")
    return packed.getvalue()
