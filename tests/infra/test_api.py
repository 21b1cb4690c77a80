"""The API: every route that functions serve, each behind an authorizer, which the parameters choose."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest
from starlette.routing import Match, Route

from spanlake.aws import ingest, query
from tests.aws.local.routes import match
from tests.infra.conftest import Deploy
from tests.infra.deployment import STACK, Deployment
from tests.infra.template import Template

UNROUTED = {"/metrics"}
"""Of a process, of which there are many, that come and go: metrics of functions are CloudWatch's."""
SAMPLES = {
    "{traceId}": "ab",
    "{trace_id}": "ab",
    "{proxy+}": "span.a/b/values",
    "{tag:path}": "span.a/b",
    "{asset}": "start.js",
    "{otherId}": "cd",
    "{other_id}": "cd",
}
FUNCTIONS = {"ingest": ingest, "query": query}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Sequence[Route]]:
    """The routes of the functions' applications."""
    for name, value in {"OBJECTS": "s3://lake", "INDEX": "dynamodb://index"}.items():
        monkeypatch.setenv(f"SPANLAKE_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return {name: _routes(module, monkeypatch) for name, module in FUNCTIONS.items()}


def _routes(module: ModuleType, patch: pytest.MonkeyPatch) -> Sequence[Route]:
    taken: list[Route] = []
    with patch.context() as local:
        local.setattr(module, "create_app", lambda routes, *_: taken.extend(routes))
        local.setattr(module, "http_handler", lambda *_: None)
        local.setattr(module, "CheckedRequests", lambda *_: None)
        local.setattr(module, "Telemetry", _Silent)
        module.handler()
    return taken


class _Silent:
    """In place of what would take over the log."""

    def __init__(self, service: str) -> None:
        self.service = service

    def handler(self, work: Any) -> Any:
        return work

    def count(self, *_: object) -> None:
        """Count nothing."""

    def time_query(self, endpoint: str) -> Any:
        return endpoint

    def label(self, **_: str | None) -> None:
        pass


def sample(path: str) -> str:
    """A path that fits one with variables."""
    for variable, value in SAMPLES.items():
        path = path.replace(variable, value)
    return path


def test_every_route_of_a_function_leads_to_it(template: Template, served: Mapping[str, Sequence[Route]]) -> None:
    for function, routes in served.items():
        for route in routes:
            for method in (route.methods or set()) - {"HEAD"}:
                found = match(template.routes(), method, sample(route.path))
                led = found.route.function if found else None
                assert led == (None if route.path in UNROUTED else function), f"{method} {route.path}"


def test_every_route_leads_to_one_of_its_function(template: Template, served: Mapping[str, Sequence[Route]]) -> None:
    for route in template.routes():
        scope = {"type": "http", "method": route.method, "path": sample(route.path), "headers": []}
        assert any(served_one.matches(scope)[0] is Match.FULL for served_one in served[route.function]), route.key


PAGE = {"GET /", "GET /assets/{asset}"}
"""The web page, which has no data of its own, and asks for a token."""


def test_no_route_but_the_web_page_is_open_to_strangers(deployed: Deploy) -> None:
    assert _authorizers(deployed()) == {("NONE", None), ("CUSTOM", "TokenAuthorizer")}


def _authorizers(deployment: Deployment) -> set[tuple[str, str | None]]:
    """The authorizers of the routes; those of the page have none, and no others."""
    routes = deployment.of_type("AWS::ApiGatewayV2::Route").values()
    assert {route["RouteKey"] for route in routes if route["AuthorizationType"] == "NONE"} == PAGE
    return {(route["AuthorizationType"], route.get("AuthorizerId")) for route in routes}


def test_who_tells_whose_tokens_they_are(deployed: Deploy) -> None:
    deployment = deployed()
    authorizer = deployment["TokenAuthorizer"]
    alias = f"arn:aws:lambda:us-east-1:123456789012:function:{STACK}-authorize:live"
    assert (authorizer["AuthorizerType"], authorizer["AuthorizerPayloadFormatVersion"]) == ("REQUEST", "2.0")
    assert authorizer["AuthorizerUri"].endswith(f":lambda:path/2015-03-31/functions/{alias}/invocations")
    assert authorizer["EnableSimpleResponses"] is True
    assert authorizer["IdentitySource"] == ["$request.header.Authorization", "$context.routeKey"]
    assert authorizer["AuthorizerResultTtlInSeconds"] == 300
    assert deployment["AuthorizePermission"]["FunctionName"] == alias


def test_tokens_of_an_issuer_take_the_place_of_those_in_a_secret(deployed: Deploy) -> None:
    deployment = deployed(JwtIssuer="https://issuer.example", JwtAudience="spanlake")
    assert _authorizers(deployment) == {("NONE", None), ("JWT", "JwtAuthorizer")}
    jwt = {"Issuer": "https://issuer.example", "Audience": ["spanlake"]}
    assert deployment["JwtAuthorizer"]["JwtConfiguration"] == jwt
    assert not [
        name for name in deployment.resources if "Token" in name or "Authorize" in name.replace("Authorizer", "")
    ]
    assert "TokensSecretArn" not in deployment.outputs


def test_an_issuer_needs_an_audience(template: Template) -> None:
    (assertion,) = template.content["Rules"]["AudienceOfIssuer"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "JwtAudience"}, ""]}]}


@pytest.mark.parametrize("name", ["Ingest", "Query"])
def test_the_api_calls_aliases(deployed: Deploy, name: str) -> None:
    alias = f"arn:aws:lambda:us-east-1:123456789012:function:{STACK}-{name.lower()}:live"
    integration = deployed()[f"{name}Integration"]
    assert (integration["IntegrationUri"], integration["PayloadFormatVersion"]) == (alias, "2.0")
    assert deployed()[f"{name}Permission"]["FunctionName"] == alias


def test_no_page_may_send_spans_unless_its_origin_is_named(deployed: Deploy) -> None:
    assert "CorsConfiguration" not in deployed()["Api"]


@pytest.mark.parametrize(("origins", "credentials"), [("https://a.example,https://b.example", True), ("*", False)])
def test_pages_of_origins_may_send_spans(deployed: Deploy, origins: str, credentials: bool) -> None:
    cors = deployed(CorsOrigins=origins)["Api"]["CorsConfiguration"]
    assert (cors["AllowOrigins"], cors["AllowMethods"]) == (origins.split(","), ["POST"])
    assert cors["AllowCredentials"] is credentials
    assert {"authorization", "content-encoding", "content-type", "x-scope-orgid"} <= set(cors["AllowHeaders"])


def test_the_stage_is_throttled_and_logged_without_tokens(deployed: Deploy) -> None:
    stage = deployed(RequestsPerSecond="7", RequestsAtOnce="9")["Stage"]
    limits = {"ThrottlingRateLimit": 7, "ThrottlingBurstLimit": 9, "DetailedMetricsEnabled": False}
    assert stage["DefaultRouteSettings"] == limits
    format_ = stage["AccessLogSettings"]["Format"]
    assert "$context.routeKey" in format_
    assert not [secret for secret in ("$context.path", "header", "$context.authorizer.claims") if secret in format_]


def test_signatures_of_iam_take_the_place_of_tokens(deployed: Deploy) -> None:
    deployment = deployed(UseIam="true", TenantMap="collector=shop", DefaultTenant="all")
    assert _authorizers(deployment) == {("NONE", None), ("AWS_IAM", None)}
    assert not deployment.of_type("AWS::ApiGatewayV2::Authorizer")
    assert deployment["Stage"]["StageVariables"] == {
        "SPANLAKE_TENANT_MAP": "collector=shop",
        "SPANLAKE_DEFAULT_TENANT": "all",
        "SPANLAKE_JWT_ROLES": "read,write",
    }


def test_checks_of_tokens_have_a_concurrency_of_their_own(deployed: Deploy) -> None:
    assert deployed(AuthorizeConcurrency="7")["AuthorizeFunction"]["ReservedConcurrentExecutions"] == 7
    assert "ReservedConcurrentExecutions" not in deployed()["AuthorizeFunction"]
