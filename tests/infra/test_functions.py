"""Tests the functions' variables, memory and timeouts, and the changes that publish a new version."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from spanlake.aws.settings import claim_rules, settings, tokens_secret
from spanlake.settings.model import AthenaSettings
from spanlake.settings.units import MIB
from tests.infra.conftest import Deploy
from tests.infra.deployment import STACK
from tests.infra.references import parameters_of
from tests.infra.sources import of_sam
from tests.infra.template import Template

FUNCTIONS = ("Authorize", "Ingest", "Query", "Compact", "Expire")
DECIDED_ONCE = {
    "ExistingBucket",
    "ExistingTable",
    "FunctionSecurityGroupIds",
    "FunctionSubnetIds",
    "KmsKeyArn",
}
"""Parameters that are too long for descriptions of versions. Who changes one changes Revision too."""
WITH_LAYERS = {"Architecture"}
"""Parameters that need other layers, which make other versions."""
UNVERSIONED = {
    "CodeUri",
    "DeploymentPreference",
    "EventInvokeConfig",
    "Events",
    "LoggingConfig",
    "ReservedConcurrentExecutions",
    "Role",
}
"""Properties that belong to a function and not to a version of it, or that no parameter changes."""
LONGEST_DESCRIPTION = 256  # characters, by Lambda


def test_what_functions_make_of_the_defaults(deployed: Deploy) -> None:
    deployment = deployed()
    for name in ("ingest", "query", "compact", "expire"):
        config = settings(deployment.environments[name])
        assert config.objects == f"s3://{deployment.outputs['Bucket']}"
        assert config.index == f"dynamodb://{deployment.outputs['Table']}"
        assert config.retention == timedelta(days=14)
    assert claim_rules(deployment.environments["query"]).tenant_claim == "tenant"
    assert tokens_secret(deployment.environments["authorize"]) == deployment.outputs["TokensSecretArn"]


def test_what_functions_make_of_parameters(deployed: Deploy) -> None:
    environments = deployed(
        RetentionDays="0",
        TenantClaim="team",
        MaxRequestBytes="1MiB",
        QueryTimeoutSeconds="2.5",
        QueryMemoryLimit="2MiB",
        QuerySpansLimit="3",
        QuerySeriesLimit="4",
        QueryPointsLimit="5",
        QuerySpansetsLimit="6",
        QueryTermsLimit="7",
        AthenaAbove="8GiB",
        Athena="true",
        GlueDatabaseName="lake",
    ).environments
    query = settings(environments["query"]).query
    ingest = settings(environments["ingest"])
    assert (ingest.retention, ingest.ingest.body_bytes) == (None, MIB)
    assert (query.seconds, query.memory_bytes, query.spans, query.series) == (2.5, 2 * MIB, 3, 4)
    assert (query.points, query.spansets, query.terms) == (5, 6, 7)
    assert [settings(environments[name]).query.seconds for name in ("compact", "expire")] == [2.5, 2.5]
    assert {claim_rules(environments[name]).tenant_claim for name in ("ingest", "query")} == {"team"}
    athena = AthenaSettings(table="lake.spans", workgroup=STACK, above_bytes=8 << 30)
    assert settings(environments["query"]).athena == athena
    assert settings(environments["compact"]).athena.table == athena.table


def test_queries_end_before_their_function_and_the_function_before_the_api_gives_up(deployed: Deploy) -> None:
    deployment = deployed()
    longest = settings(deployment.environments["query"]).query.seconds
    assert longest < deployment["QueryFunction"]["Timeout"] <= 30


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_they_run_on(deployed: Deploy, name: str) -> None:
    function = deployed()[f"{name}Function"]
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    layers = [arn.split(":")[6].partition("Layer")[0] for arn in function["Layers"]]
    assert layers == (["spanlake-Common", "spanlake-Query"] if name == "Query" else ["spanlake-Common"])
    assert deployed()[f"{name}Log"]["RetentionInDays"] == 14
    assert function["LoggingConfig"]["LogGroup"] == deployed()[f"{name}Log"]["LogGroupName"]


def test_concurrency_is_reserved_where_that_is_asked_for(deployed: Deploy) -> None:
    names = ("Ingest", "Query", "Compact")
    assert not any("ReservedConcurrentExecutions" in deployed()[f"{name}Function"] for name in names)
    reserving = deployed(**{f"{name}Concurrency": "5" for name in names})
    assert {reserving[f"{name}Function"]["ReservedConcurrentExecutions"] for name in names} == {5}


def test_snapshots_and_traces_are_paid_for_only_where_they_are_asked_for(deployed: Deploy) -> None:
    names = ("Authorize", "Ingest", "Query")
    usual, asked = deployed(), deployed(SnapStart="PublishedVersions", Tracing="true")
    for deployment, snapshots, tracing, disabled in (
        (usual, "None", "PassThrough", "true"),
        (asked, "PublishedVersions", "Active", "false"),
    ):
        functions = [deployment[f"{name}Function"] for name in names]
        assert {function["SnapStart"]["ApplyOn"] for function in functions} == {snapshots}
        assert {function["TracingConfig"]["Mode"] for function in functions} == {tracing}
        variables = deployment.environments.values()
        assert {environment["POWERTOOLS_TRACE_DISABLED"] for environment in variables} == {disabled}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_whatever_changes_a_function_makes_a_version_of_it(template: Template, name: str) -> None:
    properties = template.resources[f"{name}Function"]["Properties"]
    shared = template.content["Globals"]["Function"]
    description = properties["VersionDescription"]
    told = {key: value for key, value in properties.items() if key not in {*UNVERSIONED, "VersionDescription"}}
    depends_on = parameters_of(template, [told, shared]) - DECIDED_ONCE - WITH_LAYERS
    assert parameters_of(template, description) == depends_on | {"Revision"}
    assert layers(description) == layers([shared["Layers"], properties.get("Layers", [])])
    assert properties["AutoPublishAliasAllProperties"] is True


def layers(value: Any) -> set[str]:
    """The layers that something refers to."""
    if isinstance(value, Mapping):
        named = {value["Ref"]} if str(value.get("Ref", "")).endswith("Layer") else set[str]()
        return named.union(*map(layers, value.values()))
    return set[str]().union(*map(layers, value)) if isinstance(value, list) else set()


def test_versions_and_layers_stay_for_an_alias_that_goes_back(packaged: Mapping[str, Any]) -> None:
    """A version that only another description takes the place of stays where that is asked for, too."""
    resources = packaged["Resources"].values()
    versions = [found for found in resources if found["Type"] == "AWS::Lambda::Version"]
    layers = [found for found in resources if found["Type"] == "AWS::Lambda::LayerVersion"]
    assert (len(versions), len(layers)) == (len(FUNCTIONS), 2)
    assert {found["DeletionPolicy"] for found in (*versions, *layers)} == {"Retain"}
    assert sum(found.get("UpdateReplacePolicy") == "Retain" for found in versions) == 3
    mappings = [found for found in resources if found["Type"] == "AWS::Lambda::EventSourceMapping"]
    assert not any("UpdateReplacePolicy" in found for found in mappings), "two would hand in each block twice"


def test_descriptions_of_versions_fit(deployed: Deploy) -> None:
    limits = ("QueryTimeoutSeconds", "QueryMemoryLimit", "QuerySpansLimit", "QuerySeriesLimit", "QueryPointsLimit")
    deployment = deployed(
        RetentionDays="730",
        TenantClaim="c" * 32,
        GlueDatabaseName="g" * 32,
        QueryMemoryMiB="10240",
        LogLevel="WARNING",
        SnapStart="PublishedVersions",
        Revision="r" * 8,
        BasePath="b" * 16,
        ExistingTokensArn="arn:aws:secretsmanager:us-east-1:123456789012:secret:".ljust(150, "t"),
        Athena="true",
        **dict.fromkeys(
            (*limits, "QuerySpansetsLimit", "QueryTermsLimit", "MaxRequestBytes", "AthenaAbove"), "1000000000"
        ),
    )
    for version in deployment.of_type("AWS::Lambda::Version").values():
        assert len(version["Description"]) + 2 * len("999") <= LONGEST_DESCRIPTION, "layers come in many versions"


VPC = {"FunctionSubnetIds": "subnet-1,subnet-2", "FunctionSecurityGroupIds": "sg-1"}


def test_functions_go_into_a_vpc(packaged: Mapping[str, Any]) -> None:
    usual, inside = (dict(of_sam(packaged, parameters).resources()) for parameters in ({}, VPC))
    for name in FUNCTIONS:
        config = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
        assert inside[f"{name}Function"].properties["VpcConfig"] == config
        assert "VpcConfig" not in usual[f"{name}Function"].properties
    roles = [f"Roles/{name}Role" for name in FUNCTIONS]
    for role in roles:
        assert "ec2:CreateNetworkInterface" in str(inside[role].properties)
        assert "ec2:" not in str(usual[role].properties)


def test_all_roles_are_within_a_boundary(packaged: Mapping[str, Any]) -> None:
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    edge = {"EdgeImage": "x", "EdgeScheme": "internet-facing"}
    resources = of_sam(packaged, {"PermissionsBoundaryArn": boundary, **edge}).resources()
    roles = [found.properties for _, found in resources if found.type == "AWS::IAM::Role"]
    assert len(roles) == len(FUNCTIONS) + 2
    assert {role["PermissionsBoundary"] for role in roles} == {boundary}
    usual = [found.properties for _, found in of_sam(packaged, edge).resources() if found.type == "AWS::IAM::Role"]
    assert not any("PermissionsBoundary" in role for role in usual)


def test_functions_and_edge_run_on_intel_too(packaged: Mapping[str, Any]) -> None:
    parameters = {"Architecture": "x86_64", "EdgeImage": "x", "EdgeScheme": "internet-facing"}
    found = list(dict(of_sam(packaged, parameters).resources()).values())
    functions = [one.properties["Architectures"] for one in found if one.type == "AWS::Lambda::Function"]
    layers = [one.properties["CompatibleArchitectures"] for one in found if one.type == "AWS::Lambda::LayerVersion"]
    assert functions + layers == 7 * [["x86_64"]]
    (task,) = [one.properties["RuntimePlatform"] for one in found if one.type == "AWS::ECS::TaskDefinition"]
    assert task["CpuArchitecture"] == "X86_64"
