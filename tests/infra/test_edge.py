"""The edge: not there unless there is an image of it, then on all its ports, in a network that costs little."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from spanlake.server.ports import JAEGER_BINARY, JAEGER_COMPACT, JAEGER_GRPC, OPENCENSUS_GRPC, OTLP_GRPC
from spanlake.settings.model import EdgeConfig
from spanlake.settings.setting import Program, from_environment
from spanlake.telemetry.emf import SERVICE, counts
from spanlake.telemetry.prometheus import Metrics
from tests.infra.calls import Statement
from tests.infra.conftest import Deploy
from tests.infra.deployment import Deployment
from tests.infra.sources import of_sam
from tests.infra.template import Template

IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/spanlake-edge@sha256:{64 * '0'}"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"
GRPC, UDP = (OTLP_GRPC, JAEGER_GRPC, OPENCENSUS_GRPC), (JAEGER_COMPACT, JAEGER_BINARY)
HEALTH = 8080
MOST_TARGET_GROUPS = 5  # of one service, by the quotas of ECS


@pytest.fixture(scope="module")
def edge(deployed: Deploy) -> Deployment:
    return deployed(EdgeImage=IMAGE)


def test_without_an_image_there_is_none(deployed: Deploy, edge: Deployment) -> None:
    without = deployed()
    assert not {"Edge", "Service", "Balancer", "Vpc"} & without.resources.keys()
    assert not [name for name in without.outputs if name.startswith("Edge")]
    assert without.resources.keys() < edge.resources.keys()


def listeners(deployment: Deployment) -> dict[int, str]:
    """Protocols of the load balancer by their ports."""
    found = deployment.of_type("AWS::ElasticLoadBalancingV2::Listener").values()
    return {listener["Port"]: listener["Protocol"] for listener in found}


def test_it_listens_where_a_server_does(edge: Deployment) -> None:
    assert listeners(edge) == {**{port.port: "TCP" for port in GRPC}, **{port.port: "UDP" for port in UDP}}
    (container,) = edge["Task"]["ContainerDefinitions"]
    ports = {(mapping["ContainerPort"], mapping["Protocol"]) for mapping in container["PortMappings"]}
    assert ports == {(port, protocol.lower()) for port, protocol in listeners(edge).items()} | {(HEALTH, "tcp")}
    balanced = [target["ContainerPort"] for target in edge["Service"]["LoadBalancers"]]
    assert sorted(balanced) == sorted(listeners(edge))
    assert len(balanced) <= MOST_TARGET_GROUPS


def test_with_a_certificate_its_grpc_speaks_tls(deployed: Deploy) -> None:
    edge = deployed(EdgeImage=IMAGE, EdgeCertificateArn=CERTIFICATE)
    assert listeners(edge) == {**{port.port: "TLS" for port in GRPC}, **{port.port: "UDP" for port in UDP}}
    listener = edge["OtlpListener"]
    assert listener["Certificates"] == [{"CertificateArn": CERTIFICATE}]
    assert listener["AlpnPolicy"] == ["HTTP2Only"]
    assert edge.outputs["EdgeOtlpGrpcUrl"] == f"https://{edge.outputs['EdgeHost']}:4317"


def test_targets_are_healthy_when_the_edge_says_so(edge: Deployment) -> None:
    groups = edge.of_type("AWS::ElasticLoadBalancingV2::TargetGroup").values()
    checks = {(group["HealthCheckProtocol"], group["HealthCheckPort"], group["HealthCheckPath"]) for group in groups}
    assert checks == {("HTTP", str(HEALTH), "/ready")}


def reachable(edge: Deployment, group: str) -> set[tuple[str, int]]:
    """The ports that a security group lets in from the other one, or out to it."""
    kind, other = {
        "TaskGroup": ("Ingress", "SourceSecurityGroupId"),
        "BalancerGroup": ("Egress", "DestinationSecurityGroupId"),
    }[group]
    rules = edge.of_type(f"AWS::EC2::SecurityGroup{kind}").values()
    assert len({(rule["GroupId"], rule[other]) for rule in rules}) == 1
    return {(rule["IpProtocol"], port) for rule in rules for port in range(rule["FromPort"], rule["ToPort"] + 1)}


def test_the_network_lets_through_what_is_listened_to(edge: Deployment) -> None:
    ports = {(protocol.lower(), port) for port, protocol in listeners(edge).items()}
    ports = {("tcp" if protocol == "tls" else protocol, port) for protocol, port in ports}
    assert reachable(edge, "BalancerGroup") == reachable(edge, "TaskGroup") == ports | {("tcp", HEALTH)}
    entry = edge["BalancerGroup"]["SecurityGroupIngress"]
    outside = {(rule["IpProtocol"], port) for rule in entry for port in range(rule["FromPort"], rule["ToPort"] + 1)}
    assert outside == ports
    assert {rule["CidrIp"] for rule in entry} == {"10.0.0.0/8"}


def test_it_has_a_network_of_its_own_without_a_nat_gateway(edge: Deployment) -> None:
    types = {found.type for found in edge.resources.values()}
    assert "AWS::EC2::VPC" in types
    assert "AWS::EC2::NatGateway" not in types
    services = {found["ServiceName"] for found in edge.of_type("AWS::EC2::VPCEndpoint").values()}
    assert services == {"com.amazonaws.us-east-1.s3", "com.amazonaws.us-east-1.dynamodb"}
    network = edge["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (network["AssignPublicIp"], len(network["Subnets"])) == ("ENABLED", 2)


def test_it_goes_into_a_network_that_is_there(deployed: Deploy) -> None:
    there = {"EdgeVpcId": "{vpc}", "EdgeSubnetIds": "{subnets}", "EdgeAssignPublicIp": "DISABLED"}
    edge = deployed(EdgeImage=IMAGE, **there)
    types = {found.type for found in edge.resources.values()}
    assert not types & {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::InternetGateway", "AWS::EC2::VPCEndpoint"}
    network = edge["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert network["Subnets"] == edge["Balancer"]["Subnets"] == edge["Edge"]["Parameters"]["SubnetIds"].split(",")
    groups = edge.of_type("AWS::EC2::SecurityGroup").values()
    assert {found["VpcId"] for found in groups} == {edge["Edge"]["Parameters"]["VpcId"]}


def test_it_stores_where_the_functions_do(edge: Deployment) -> None:
    (container,) = edge["Task"]["ContainerDefinitions"]
    lake, index = f"s3://{edge.outputs['Bucket']}", f"dynamodb://{edge.outputs['Table']}"
    command = [
        "edge",
        "--listen",
        "0.0.0.0",
        "--objects",
        lake,
        "--index",
        index,
        "--retention",
        "14d",
    ]
    assert (container["Image"], container["Command"]) == (IMAGE, command)


def test_its_container_may_do_little(edge: Deployment) -> None:
    (container,) = edge["Task"]["ContainerDefinitions"]
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["User"].split(":")[0] != "0"
    assert edge["Task"]["RuntimePlatform"] == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}


def statements(edge: Deployment, role: str) -> Mapping[str, Statement]:
    (policy,) = edge[role]["Policies"]
    found = [Statement.parse(statement) for statement in policy["PolicyDocument"]["Statement"] if statement]
    return {statement.sid: statement for statement in found}


def test_its_role_is_that_of_the_function_that_takes_spans_in_but_that_it_looks_for_the_bucket(
    edge: Deployment,
) -> None:
    own, ingest = statements(edge, "TaskRole"), statements(edge, "IngestRole")
    bucket = Statement("Bucket", frozenset({"s3:ListBucket"}), (f"arn:aws:s3:::{edge.outputs['Bucket']}",))
    shared = {name: ingest[name] for name in ("Blocks", "Identity", "Index")}
    tokens = Statement("Tokens", frozenset({"secretsmanager:GetSecretValue"}), (edge.outputs["TokensSecretArn"],))
    assert own == {**shared, "Bucket": bucket, "Tokens": tokens}


def test_only_whoever_fetches_the_image_may_do_something_anywhere(edge: Deployment) -> None:
    wide = [found.sid for found in statements(edge, "ExecutionRole").values() if "*" in found.resources]
    assert wide == ["Registry"]


def test_a_deployment_that_fails_is_taken_back(edge: Deployment) -> None:
    breaker = edge["Service"]["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
    assert breaker == {"Enable": True, "Rollback": True}


def test_it_grows_with_its_load(deployed: Deploy) -> None:
    edge = deployed(EdgeImage=IMAGE, EdgeTasksLeast="2", EdgeTasksMost="6")
    scaling: Any = edge["Scaling"]
    assert (int(scaling["MinCapacity"]), int(scaling["MaxCapacity"])) == (2, 6)
    metric = edge["ScalingByCpu"]["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
    assert metric == {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}


def test_how_many_tasks_there_are_is_left_to_scaling(edge: Deployment) -> None:
    """A number in the service would undo, with each update, what the load has made of it."""
    assert "DesiredCount" not in edge["Service"]


SIZES = ("small", "medium", "large", "xlarge", "2xlarge")
FARGATE = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384), 4096: (8192, 30720)}
"""Least and most MiB by CPU units: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html"""


@pytest.mark.parametrize("size", SIZES)
def test_cpu_memory_and_limits_fit_each_other(packaged: Mapping[str, Any], size: str) -> None:
    parameters = {"EdgeImage": IMAGE, "EdgeScheme": "internet-facing", "EdgeSize": size}
    task = dict(of_sam(packaged, parameters).resources())["Edge/Task"].properties
    cpu, memory = int(task["Cpu"]), int(task["Memory"])
    assert FARGATE[cpu][0] <= memory <= FARGATE[cpu][1]
    variables = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    edge_config = from_environment(EdgeConfig, variables, Program.EDGE)
    limits = edge_config.server.ingest
    assert 16 * limits.body_bytes <= memory << 20
    assert limits.flight_bytes == 2 * limits.body_bytes


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tokens-AbCdEf"  # a name and not a secret


def containers(packaged: Mapping[str, Any], **parameters: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The containers of a task by their names, and what the edge has in its environment."""
    found = dict(of_sam(packaged, {"EdgeImage": IMAGE, "EdgeScheme": "internet-facing", **parameters}).resources())
    by_name = {one["Name"]: one for one in found["Edge/Task"].properties["ContainerDefinitions"]}
    return by_name, {one["Name"]: one["Value"] for one in by_name["edge"]["Environment"]}


def test_senders_need_the_tokens_of_the_api(packaged: Mapping[str, Any]) -> None:
    """Without them anyone could be the tenant that he names."""
    found, variables = containers(packaged)
    assert [*found] == ["edge"]
    assert variables["SPANLAKE_TOKENS_SECRET"] == "<Tokens>"
    assert (variables["SPANLAKE_ALLOW_ANONYMOUS"], variables["SPANLAKE_UDP_TENANT"]) == ("false", "")


def test_senders_may_have_tokens_of_their_own_or_none(packaged: Mapping[str, Any]) -> None:
    _, variables = containers(packaged, EdgeTokensSecretArn=SECRET, EdgeUdpTenant="devices")
    assert (variables["SPANLAKE_TOKENS_SECRET"], variables["SPANLAKE_UDP_TENANT"]) == (SECRET, "devices")
    _, variables = containers(packaged, EdgeTokensSecretArn="none")
    assert (variables["SPANLAKE_ALLOW_ANONYMOUS"], variables["SPANLAKE_TOKENS_SECRET"]) == ("true", "")


def test_senders_need_json_web_tokens_where_the_api_does(packaged: Mapping[str, Any]) -> None:
    issuer = {"JwtIssuer": "https://issuer.example", "JwtAudience": "spanlake", "TenantClaim": "org"}
    _, variables = containers(packaged, **issuer)
    settings = from_environment(EdgeConfig, variables, Program.EDGE).server.access
    assert (settings.jwt.issuer, settings.jwt.audience) == ("https://issuer.example", "spanlake")
    assert (settings.jwt.rules.tenant_claim, settings.tokens_secret) == ("org", "")
    assert settings.asks_credentials
    assert not settings.allow_anonymous
    _, variables = containers(packaged, EdgeTokensSecretArn="none", **issuer)
    assert not from_environment(EdgeConfig, variables, Program.EDGE).server.access.asks_credentials


def test_task_may_read_the_secret_that_it_is_told(packaged: Mapping[str, Any]) -> None:
    for given, expected in (({}, ["<Tokens>"]), ({"EdgeTokensSecretArn": SECRET}, [SECRET])):
        assert secrets_of(packaged, **given) == expected
    assert secrets_of(packaged, EdgeTokensSecretArn="none") == []


def secrets_of(packaged: Mapping[str, Any], **parameters: str) -> list[str]:
    """The secrets that the edge's roles may read."""
    resources = of_sam(packaged, {"EdgeImage": IMAGE, "EdgeScheme": "internet-facing", **parameters}).resources()
    policies = [
        policy["PolicyDocument"]["Statement"]
        for name, found in resources
        if name.startswith("Edge/") and found.type == "AWS::IAM::Role"
        for policy in found.properties["Policies"]
    ]
    return [one["Resource"] for policy in policies for one in policy if one["Sid"] == "Tokens"]


def test_an_edge_is_where_its_senders_are(template: Template) -> None:
    rules = template.content["Rules"]
    assert str(rules["SendersReachEdge"]["Assertions"]).count("EdgeVpcId") >= 1
    (assertion,) = rules["InternetNeedsTls"]["Assertions"]
    refused = [one["Fn::Not"][0]["Fn::Equals"] for one in assertion["Assert"]["Fn::And"]]
    assert refused == [[{"Ref": "EdgeCertificateArn"}, ""], [{"Ref": "EdgeTokensSecretArn"}, "none"]]
    assert "EdgeTokensSecretArn" in str(rules["EdgeKnowsTenants"])
    pattern = template.content["Parameters"]["EdgeImage"]["AllowedPattern"]
    assert re.fullmatch(pattern, IMAGE)
    assert re.fullmatch(pattern, "")
    assert not re.fullmatch(pattern, "spanlake-edge:latest")


def test_its_metrics_are_those_that_it_writes(packaged: Mapping[str, Any]) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    parameters = {"EdgeImage": IMAGE, "EdgeScheme": "internet-facing", "AlarmTopicArn": topic}
    resources = dict(of_sam(packaged, parameters).resources())
    _, variables = containers(packaged)
    alarms = {
        name.removeprefix("Edge/"): found.properties
        for name, found in resources.items()
        if found.type == "AWS::CloudWatch::Alarm" and name.startswith("Edge/")
    }
    own = {
        found["MetricName"]
        for found in alarms.values()
        if found["Namespace"] == variables["SPANLAKE_METRICS_NAMESPACE"]
    }
    assert own == {"DatagramsDropped", "RequestsRefused", "SpansRejected"}
    assert own <= counts(Metrics()).keys()
    for found in alarms.values():
        assert found["AlarmActions"] == found["OKActions"] == [topic]
        if found["MetricName"] in own:
            assert found["Dimensions"] == [{"Name": "service", "Value": SERVICE}]
    assert {"HostsAreUnhealthy", "TasksAreMissing"} <= alarms.keys()
    assert alarms["TasksAreMissing"]["TreatMissingData"] == "breaching"
