"""The CDK app takes what the template takes, under the same names and within the same limits."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from spanlake_cdk.context import InvalidContext, read
from spanlake_cdk.settings import Settings
from tests.infra.template import Template

# Any number of days, which CloudFormation could not add to.
_FREER = {"RetentionDays"}
# The template's MaxLength is not among these: it is for the descriptions that make new versions of functions.
_LIMITS = {"MinValue": "least", "MaxValue": "most", "AllowedValues": "one_of", "AllowedPattern": "pattern"}
_IMAGE = f"spanlake-edge@sha256:{64 * '0'}"
_TRUTHS = ["true", "false"]


def _field(parameter: str) -> "dataclasses.Field[Any]":
    return {field.name.replace("_", ""): field for field in dataclasses.fields(Settings)}[parameter.lower()]


def _limits(parameter: Mapping[str, Any]) -> dict[str, Any]:
    limits = {ours: parameter[name] for name, ours in _LIMITS.items() if name in parameter}
    if limits.get("one_of") == _TRUTHS:  # a type of its own in Python
        del limits["one_of"]
    return limits


def test_the_names_are_the_parameters(template: Template) -> None:
    names = [field.name.replace("_", "") for field in dataclasses.fields(Settings)]
    assert sorted(names) == sorted(name.lower() for name in template.content["Parameters"])


def test_the_defaults_are_the_parameters(template: Template) -> None:
    given = {name: str(parameter["Default"]) for name, parameter in template.content["Parameters"].items()}
    assert read(given).settings == Settings()


def test_the_limits_are_the_parameters(template: Template) -> None:
    for name, parameter in template.content["Parameters"].items():
        if name not in _FREER:
            found = {key: list(value) if key == "one_of" else value for key, value in _field(name).metadata.items()}
            assert (name, found) == (name, _limits(parameter))


def test_values_are_text_or_json() -> None:
    expected = Settings(retention_days=90, tracing=True, edge_vpc_id="vpc-1", edge_subnet_ids=("a", "b"))
    rest = {"EdgeVpcId": "vpc-1", "@aws-cdk/core:flag": True, "aws:cdk:enable-path-metadata": True}
    assert read({"RetentionDays": "90", "Tracing": "true", "EdgeSubnetIds": "a,b", **rest}).settings == expected
    assert read({"RetentionDays": 90, "Tracing": True, "EdgeSubnetIds": ["a", "b"], **rest}).settings == expected


def test_the_stack_and_the_layers_have_names() -> None:
    context = read({"StackName": "traces", "LayersFolder": "/layers"})
    assert (context.stack_name, context.layers) == ("traces", "/layers")


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"RetentoinDays": "3"}, "there is no setting RetentoinDays"),
        ({"RetentionDays": "long"}, "RetentionDays is 'long', which is no int"),
        ({"RetentionDays": "1.5"}, "RetentionDays is '1.5', which is no int"),
        ({"RetentionDays": "-1"}, "retention_days is -1; it may be 0 or more"),
        ({"KeepTable": "yes"}, "KeepTable is 'yes', which is no bool"),
        ({"QueryMemoryMiB": "99999"}, "query_memory_mib is 99999; it may be 10240 or less"),
        ({"EdgeClients": "everybody"}, "edge_clients is 'everybody', which is not of the form"),
        ({"JwtIssuer": "https://issuer.example"}, "JwtIssuer needs JwtAudience"),
        ({"EdgeVpcId": "vpc-1"}, "EdgeVpcId needs EdgeSubnetIds"),
        ({"EdgeImage": "spanlake-edge:1"}, "edge_image is 'spanlake-edge:1', which is not of the form"),
        ({"EdgeImage": _IMAGE}, "EdgeImage needs the senders' EdgeVpcId, or EdgeScheme=internet-facing"),
        (
            {"EdgeScheme": "internet-facing", "EdgeCertificateArn": "c", "EdgeTokensSecretArn": "none"},
            "EdgeCertificateArn and tokens",
        ),
        ({"EdgeScheme": "internet-facing"}, "EdgeCertificateArn and tokens"),
        ({"EdgeTokensSecretArn": "t"}, "edge_tokens_secret_arn is 't', which is not of the form"),
        (
            {"EdgeImage": _IMAGE, "EdgeVpcId": "v", "EdgeSubnetIds": "a", "UseIam": "true"},
            "EdgeImage with UseIam needs EdgeTokensSecretArn",
        ),
        ({"RestApi": "true", "JwtIssuer": "https://i.example", "JwtAudience": "a"}, "cannot check JSON Web Tokens"),
        ({"Rollout": "Slowly"}, "rollout is 'Slowly'; it may be AllAtOnce"),
        ({"ExistingBucket": "b"}, "ExistingBucket, ExistingTable and ExistingTableStreamArn go together"),
        ({"DomainName": "traces.example.com"}, "DomainName needs DomainCertificateArn"),
        ({"BasePath": "lake"}, "BasePath needs DomainName"),
        ({"FunctionSubnetIds": "subnet-1"}, "FunctionSubnetIds needs FunctionSecurityGroupIds"),
        ({"Tags": "one"}, "Tags is 'one', which is not of the form name=value,other=value"),
        ({"TerminationProtection": "perhaps"}, "TerminationProtection is 'perhaps', which is no bool"),
    ],
)
def test_what_can_not_be_is_refused(context: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InvalidContext) as refused:
        read(context)
    assert message in str(refused.value)


def test_a_stack_has_tags_and_may_be_protected() -> None:
    assert (read({}).tags, read({}).termination_protection) == ({"application": "spanlake"}, False)
    context = read({"Tags": "team=a,cost=7", "TerminationProtection": "true"})
    assert (context.tags, context.termination_protection) == ({"team": "a", "cost": "7"}, True)
