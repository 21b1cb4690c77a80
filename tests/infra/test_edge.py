"""The edge: not there unless there is an image of it, then on all its ports, in a network that costs little."""

from collections.abc import Mapping
from typing import Any

import pytest

from spanlake.server.ports import JAEGER_BINARY, JAEGER_COMPACT, JAEGER_GRPC, OPENCENSUS_GRPC, OTLP_GRPC
from tests.infra.calls import Statement
from tests.infra.conftest import Deploy
from tests.infra.deployment import Deployment

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/spanlake-edge:1"
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
    assert listeners(edge) == {**{face.port: "TCP" for face in GRPC}, **{face.port: "UDP" for face in UDP}}
    (container,) = edge["Task"]["ContainerDefinitions"]
    ports = {(mapping["ContainerPort"], mapping["Protocol"]) for mapping in container["PortMappings"]}
    assert ports == {(port, protocol.lower()) for port, protocol in listeners(edge).items()} | {(HEALTH, "tcp")}
    balanced = [target["ContainerPort"] for target in edge["Service"]["LoadBalancers"]]
    assert sorted(balanced) == sorted(listeners(edge))
    assert len(balanced) <= MOST_TARGET_GROUPS


def test_with_a_certificate_its_grpc_speaks_tls(deployed: Deploy) -> None:
    edge = deployed(EdgeImage=IMAGE, EdgeCertificateArn=CERTIFICATE)
    assert listeners(edge) == {**{face.port: "TLS" for face in GRPC}, **{face.port: "UDP" for face in UDP}}
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
        "--allow-anonymous",
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
    assert own == {**shared, "Bucket": bucket}


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
