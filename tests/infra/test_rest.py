"""The REST API: only where it is asked for, with all bodies as bytes, and no way in for strangers."""

from collections.abc import Mapping
from typing import Any

from tests.infra.deployment import STACK
from tests.infra.evaluated import Resource
from tests.infra.sources import of_sam
from tests.infra.template import Template


def rest(packaged: Mapping[str, Any], **parameters: str) -> Mapping[str, Resource]:
    found = of_sam(packaged, {"RestApi": "true", **parameters}).resources()
    return {name.removeprefix("Rest/"): one for name, one in found if name.startswith("Rest/")}


def test_rest_api_is_only_where_it_is_asked_for(packaged: Mapping[str, Any]) -> None:
    assert not rest(packaged, RestApi="false")
    assert "RestUrl" not in of_sam(packaged, {}).outputs()
    assert of_sam(packaged, {"RestApi": "true"}).outputs()["RestUrl"].endswith(".amazonaws.com/spans")


def test_rest_api_hands_on_all_bodies_as_bytes(packaged: Mapping[str, Any]) -> None:
    assert rest(packaged)["Api"].properties["BinaryMediaTypes"] == ["*/*"]
    integration = rest(packaged)["Post"].properties["Integration"]
    assert integration["Type"] == "AWS_PROXY"
    assert f":function:{STACK}-ingest:live/invocations" in integration["Uri"]


def test_rest_api_asks_for_tokens_or_signatures(packaged: Mapping[str, Any]) -> None:
    found = rest(packaged)
    assert found["Post"].properties["AuthorizationType"] == "CUSTOM"
    assert f":function:{STACK}-authorize:live/invocations" in found["Authorizer"].properties["AuthorizerUri"]
    assert [name for name, one in found.items() if one.type == "AWS::ApiGateway::Method"] == ["Post"]
    signed = rest(packaged, UseIam="true", TenantMap="collector=shop")
    assert signed["Post"].properties["AuthorizationType"] == "AWS_IAM"
    assert signed["Stage"].properties["Variables"] == {"SPANLAKE_TENANT_MAP": "collector=shop"}
    assert "Authorizer" not in signed


def test_another_authorizer_is_another_deployment(packaged: Mapping[str, Any]) -> None:
    """A deployment keeps methods as they were when it was made."""
    tokens, signatures = (rest(packaged, UseIam=given)["Stage"].properties for given in ("false", "true"))
    assert tokens["DeploymentId"] != signatures["DeploymentId"]


def test_rest_api_is_throttled_as_the_http_api(packaged: Mapping[str, Any]) -> None:
    (settings,) = rest(packaged, RequestsPerSecond="7", RequestsAtOnce="9")["Stage"].properties["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == ("7", "9")


def test_json_web_tokens_are_refused_before_a_rest_api(template: Template) -> None:
    assert template.content["Rules"]["RestKnowsTenants"]["RuleCondition"] == {
        "Fn::Equals": [{"Ref": "RestApi"}, "true"]
    }
