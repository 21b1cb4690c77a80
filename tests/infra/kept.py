"""Types of resources that moto's CloudFormation does not make: kept as CloudFormation would hand them to their service.

A reference gives the value that the documentation of its type names under "Return values".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.awslambda.models import LayerVersion, lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack
from moto.core.common_models import CloudFormationModel
from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup

Properties = Mapping[str, Any]

ACCOUNT = "123456789012"
REGION = "us-east-1"


def _nothing(_: Properties) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class _Kind:
    """Behaviour of a type of resource."""

    ref: Callable[[str, Properties], str] = lambda name, _: name
    """Returns the value of Ref, by the logical id and the properties."""
    made: Callable[[Properties], Mapping[str, str]] = _nothing
    """Makes what other resources look for; says what the attributes are."""
    attributes: frozenset[str] = frozenset()
    """Names of the attributes."""


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def _alias_arn(_: str, alias: Properties) -> str:
    return _arn("lambda", f"function:{alias['FunctionName']}:{alias['Name']}")


def _published(version: Properties) -> Mapping[str, str]:
    published = lambda_backends[ACCOUNT][REGION].publish_version(version["FunctionName"])
    assert published is not None
    return {"Version": str(published.version)}


def _aliased(alias: Properties) -> Mapping[str, str]:
    backend = lambda_backends[ACCOUNT][REGION]
    backend.create_alias(alias["Name"], alias["FunctionName"], alias["FunctionVersion"], "", "")
    return {}


def _with_endpoint(_: Properties) -> Mapping[str, str]:
    return {"ApiEndpoint": f"https://api.execute-api.{REGION}.amazonaws.com"}


def _with_target(_: Properties) -> Mapping[str, str]:
    return {"RegionalDomainName": f"d-1.execute-api.{REGION}.amazonaws.com"}


def _with_root(_: Properties) -> Mapping[str, str]:
    return {"RootResourceId": "root"}


_KINDS: Mapping[str, _Kind] = {
    "AWS::ApiGateway::Authorizer": _Kind(),
    "AWS::ApiGateway::Deployment": _Kind(),
    "AWS::ApiGateway::Method": _Kind(),
    "AWS::ApiGateway::Resource": _Kind(),
    "AWS::ApiGateway::RestApi": _Kind(made=_with_root, attributes=frozenset({"RootResourceId"})),
    "AWS::ApiGateway::Stage": _Kind(),
    "AWS::ApiGatewayV2::Api": _Kind(made=_with_endpoint, attributes=frozenset({"ApiEndpoint"})),
    "AWS::ApiGatewayV2::ApiMapping": _Kind(),
    "AWS::ApiGatewayV2::Authorizer": _Kind(),
    "AWS::ApiGatewayV2::DomainName": _Kind(
        lambda _, properties: properties["DomainName"], _with_target, frozenset({"RegionalDomainName"})
    ),
    "AWS::ApiGatewayV2::Integration": _Kind(),
    "AWS::ApiGatewayV2::Route": _Kind(),
    "AWS::ApiGatewayV2::Stage": _Kind(),
    "AWS::ApplicationAutoScaling::ScalableTarget": _Kind(),
    "AWS::ApplicationAutoScaling::ScalingPolicy": _Kind(),
    "AWS::Athena::WorkGroup": _Kind(lambda _, properties: properties["Name"]),
    "AWS::CloudWatch::Alarm": _Kind(),
    "AWS::CodeDeploy::Application": _Kind(),
    "AWS::CodeDeploy::DeploymentGroup": _Kind(),
    "AWS::EC2::SecurityGroupEgress": _Kind(),
    "AWS::ElasticLoadBalancingV2::Listener": _Kind(),  # moto knows those of application load balancers
    "AWS::Glue::Database": _Kind(lambda _, properties: properties["DatabaseInput"]["Name"]),
    "AWS::Glue::Table": _Kind(lambda _, properties: properties["TableInput"]["Name"]),
    "AWS::Lambda::Alias": _Kind(_alias_arn, _aliased),
    "AWS::Lambda::EventInvokeConfig": _Kind(),
    "AWS::Logs::MetricFilter": _Kind(),
    "AWS::Lambda::Version": _Kind(made=_published, attributes=frozenset({"Version"})),
    "AWS::S3::BucketPolicy": _Kind(),
    "AWS::SQS::QueuePolicy": _Kind(),
    "AWS::SecretsManager::Secret": _Kind(lambda name, _: _arn("secretsmanager", f"secret:{name}-AbCdEf")),
}


class Kept:
    """Stand-in for a resource that outlives its stack."""

    def __init__(self, name: str, type_: str, properties: Properties) -> None:
        self.type = type_
        self.properties = properties
        self.physical_resource_id = _KINDS[type_].ref(name, properties)
        self._attributes = _KINDS[type_].made(properties)

    def get_cfn_attribute(self, name: str) -> str:
        """Raises KeyError for one that the type does not have."""
        return self._attributes[name]

    def is_created(self) -> bool:
        """True."""
        return True


@cache
def register() -> None:
    """Let moto's CloudFormation know these types from now on."""
    models = [_model(type_) for type_ in _KINDS]
    for remembered in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        remembered.cache_clear()
    assert set(models) <= set(parsing.get_model_map().values())  # which holds on to them from now on
    parsing.clean_json = _without_nothing(parsing.clean_json)  # type: ignore[assignment]
    # Resources that moto makes itself, without attributes for references.
    LayerVersion.physical_resource_id = property(lambda layer: layer.arn)  # type: ignore[attr-defined]
    Stack.get_cfn_attribute = _output  # type: ignore[attr-defined]
    FakeTargetGroup.get_cfn_attribute = _of_target_group  # type: ignore[attr-defined]
    FakeLoadBalancer.get_cfn_attribute = _of_load_balancer  # type: ignore[assignment]


def _without_nothing(evaluated: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """As CloudFormation does, leaves out items of lists that are AWS::NoValue."""

    def found(value: Any, resources: Any) -> Any:
        result = evaluated(value, resources)
        return [item for item in result if item is not None] if isinstance(result, list) else result

    return found


def _of_target_group(group: FakeTargetGroup, _: str) -> str:
    """The full name, which is the only attribute that is asked for."""
    return group.arn.rpartition(":")[2]


def _of_load_balancer(balancer: FakeLoadBalancer, name: str) -> str:
    return balancer.dns_name if name == "DNSName" else balancer.arn.partition("loadbalancer/")[2]


def _output(stack: Stack, name: str) -> str:
    output = stack.output_map[name.removeprefix("Outputs.")]
    assert output is not None
    return output.value


def _model(type_: str) -> type[CloudFormationModel]:
    """Moto finds what it knows among the direct subclasses of its base class, the last one of a type."""

    class Model(CloudFormationModel):
        @staticmethod
        def cloudformation_type() -> str:
            return type_

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr in _KINDS[type_].attributes

        @classmethod
        def create_from_cloudformation_json(  # type: ignore[override]
            cls, _: str, cloudformation_json: Mapping[str, Any], *_where: str, **about: str
        ) -> Kept:
            return Kept(about["LogicalId"], type_, cloudformation_json["Properties"])

    return Model
