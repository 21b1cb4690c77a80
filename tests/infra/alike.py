"""Compares two templates by meaning: values in several notations are put in one, defaults are left out."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.evaluated import Evaluated, Resource

_ROUTING = ("AWS::EC2::RouteTable", "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation")

# Defaults of properties.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "AWS::DynamoDB::Table": {"SSESpecification": {"SSEEnabled": "false"}},
    "AWS::EC2::Subnet": {"MapPublicIpOnLaunch": "false"},
    "AWS::EC2::VPC": {"InstanceTenancy": "default"},
    "AWS::ECS::Service": {"EnableECSManagedTags": "false"},
    "AWS::Events::Rule": {"State": "ENABLED"},
    "AWS::Lambda::Function": {"SnapStart": {"ApplyOn": "None"}},
}
# Types that DependsOn is not compared for: resources that wait for a role or an alias refer to it anyway, if only by a
# part of its name; and only the CDK has a load balancer that can be reached from the internet wait for routes.
_WAITED_FOR = ("AWS::IAM::Role", "AWS::Lambda::Alias", "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation")
# Types of which both give another name to what takes the place of one, or which have names of their own.
_NEVER_REPLACED = (
    "AWS::Lambda::Alias",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Version",
)
_NO_ALARMS = {"AlarmNames": [], "Enable": "false", "Rollback": "false"}
_MAY_BE_DELETED = {"Key": "deletion_protection.enabled", "Value": "false"}


def differences(first: Evaluated, second: Evaluated) -> tuple[list[str], list[str]]:
    """The resources that are in the first alone, and in the second alone, as lines of JSON.

    One that has the same name in both has to be the same; the names of others say nothing.
    """
    resources = dict(first.resources()), dict(second.resources())
    shared = resources[0].keys() & resources[1].keys()
    ones, others = (list(_lines(found, shared)) for found in resources)
    return _without(ones, others), _without(others, ones)


def _without(lines: list[str], others: list[str]) -> list[str]:
    left = list(others)
    found = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            found.append(line)
    return sorted(found)


def _lines(resources: Mapping[str, Resource], shared: set[str]) -> Iterator[str]:
    for name, resource in resources.items():
        if resource.type in _ROUTING:
            continue
        properties = canonical(resource)
        if resource.type == "AWS::EC2::VPCEndpoint":
            properties.pop("RouteTableIds")
        kept = {key: value for key, value in resource.policies.items() if value != "Delete"}
        if resource.type in _NEVER_REPLACED:
            kept.pop("UpdateReplacePolicy", None)
        waits_for = sorted(other for other in resource.waits_for if resources[other].type not in _WAITED_FOR)
        yield _line([resource.type, name if name in shared else "", properties, kept, waits_for])
    for subnet, routes in _routes(resources).items():
        yield _line(["routes of", subnet, sorted(routes)])


def _line(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


def _routes(resources: Mapping[str, Resource]) -> Mapping[str, list[Any]]:
    """Where a subnet's packets go, whether it shares its table with others or not."""
    tables: dict[str, list[str]] = defaultdict(list)
    for resource in resources.values():
        properties = resource.properties
        if resource.type == "AWS::EC2::Route":
            way = {key: value for key, value in properties.items() if key != "RouteTableId"}
            tables[properties["RouteTableId"]].append(_line([way, sorted(resource.waits_for)]))
        if resource.type == "AWS::EC2::VPCEndpoint":
            for table in properties["RouteTableIds"]:
                tables[table].append(properties["ServiceName"])
    associations = [found for found in resources.values() if found.type == "AWS::EC2::SubnetRouteTableAssociation"]
    return {found.properties["SubnetId"]: tables[found.properties["RouteTableId"]] for found in associations}


def canonical(resource: Resource) -> dict[str, Any]:
    """Properties in one way of writing."""
    properties: dict[str, Any] = _texts(resource.properties)
    properties.pop("Tags", None)  # the names that the CDK and SAM give, or say that it was they
    for name, default in _DEFAULTS.get(resource.type, {}).items():
        if properties.get(name) == default:
            del properties[name]
    change = _CHANGES.get(resource.type)
    return change(properties) if change else properties


def _texts(value: Any) -> Any:
    """CloudFormation does not care whether a number or a truth is written as text."""
    if isinstance(value, Mapping):
        return {
            key: _policy(_texts(inner)) if key.endswith("PolicyDocument") else _texts(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _policy(document: Mapping[str, Any]) -> dict[str, Any]:
    statements = [_statement(statement) for statement in document["Statement"]]
    return {**document, "Statement": sorted(statements, key=_line)}


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement whose actions and resources are sorted lists; ids mean nothing."""
    found = {key: value for key, value in statement.items() if key != "Sid"}
    for name in ("Action", "Resource"):
        if name in found:
            found[name] = sorted([found[name]] if isinstance(found[name], str) else found[name])
    if found.get("Principal") == "*":
        found["Principal"] = {"AWS": "*"}
    return found


def _alarmless(service: dict[str, Any]) -> dict[str, Any]:
    deployment = service["DeploymentConfiguration"]
    if deployment.get("Alarms") == _NO_ALARMS:
        del deployment["Alarms"]
    return service


def _balancer(balancer: dict[str, Any]) -> dict[str, Any]:
    attributes = balancer["LoadBalancerAttributes"]
    return {**balancer, "LoadBalancerAttributes": [one for one in attributes if one != _MAY_BE_DELETED]}


def _bucket(bucket: dict[str, Any]) -> dict[str, Any]:
    rules = [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Status"] == "Enabled"]
    return {**bucket, "LifecycleConfiguration": {"Rules": rules}}


def _mapping(mapping: dict[str, Any]) -> dict[str, Any]:
    """A function may be named by its ARN, or by what comes at the end of it."""
    return {**mapping, "FunctionName": mapping["FunctionName"].partition(":function:")[2] or mapping["FunctionName"]}


def _permission(permission: dict[str, Any]) -> dict[str, Any]:
    """``/*/*`` is every stage and all that follows, of which method and path are two parts."""
    return {**permission, "SourceArn": permission["SourceArn"].replace("/*/*/*", "/*/*")}


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    """The ids of targets are nobody else's business."""
    return {**rule, "Targets": [{key: value for key, value in one.items() if key != "Id"} for one in rule["Targets"]]}


def _scalable(target: dict[str, Any]) -> dict[str, Any]:
    """The role is the one of the service, which there is no choice about."""
    if "aws-service-role" in target.get("RoleARN", ""):
        del target["RoleARN"]
    return target


def _version(version: dict[str, Any]) -> dict[str, Any]:
    """A description is what makes the template's new; the CDK names a new version by what the function is made of."""
    return {key: value for key, value in version.items() if key != "Description"}


_CHANGES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable,
    "AWS::ECS::Service": _alarmless,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::Events::Rule": _rule,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::Version": _version,
    "AWS::S3::Bucket": _bucket,
}
