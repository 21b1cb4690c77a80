"""The HTTP API: its routes, of which only the web page's are open, its stage and its log."""

import json

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from spanlake_cdk.function import Function
from spanlake_cdk.log import log_group
from spanlake_cdk.settings import Settings

# By method, then path. Not even /ready is open: strangers could have functions run.
# The web page alone is open: it has no data of its own, and asks for a token.
INGEST_ROUTES = (
    "POST /v1/traces",
    "POST /api/traces",
    "POST /api/v2/spans",
    "POST /api/v1/spans",
    "POST /{proxy+}",  # answered with the right paths
    "POST /",
)
QUERY_ROUTES = (
    "GET /api/echo",
    "GET /api/traces/{traceId}",
    "GET /api/v2/traces/{traceId}",
    "DELETE /api/traces/{traceId}",
    "GET /api/search",
    "GET /api/search/tags",
    "GET /api/v2/search/tags",
    "GET /api/search/tag/{proxy+}",
    "GET /api/v2/search/tag/{proxy+}",
    "GET /api/metrics/query_range",
    "GET /api/metrics/query",
    "GET /ready",
    "GET /status",
    "GET /status/version",
    "GET /status/endpoints",
    "GET /status/config",
    "GET /status/overrides",
    "GET /api/status/buildinfo",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/{asset}",
    "GET /api/access",
    "GET /api/services",
    "GET /api/services/operations",
    "GET /api/services/edges",
    "GET /api/page/links",
    "GET /api/attributes",
    "GET /api/traces/{traceId}/statistics",
    "GET /api/traces/{traceId}/critical-path",
    "GET /api/traces/{traceId}/diff/{otherId}",
)
PAGE_ROUTES = ("GET /", "GET /assets/{asset}")

# Routes and not paths, in which there are ids; no headers, in which there are tokens.
_LOGGED = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "functionMilliseconds": "$context.integrationLatency",
    "tenant": "$context.authorizer.tenant",
    "error": "$context.error.message",
    "errorType": "$context.error.responseType",
    "authorizerError": "$context.authorizer.error",
    "functionError": "$context.integrationErrorMessage",
}


class Api(Construct):
    """HTTP API for spans and the Grafana Tempo API."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: Settings,
        *,
        ingest: Function,
        query: Function,
        authorizer: apigatewayv2.IHttpRouteAuthorizer,
    ) -> None:
        super().__init__(scope, name)
        self._stack_name = Stack.of(self).stack_name
        self.api = apigatewayv2.HttpApi(
            self,
            "Api",
            api_name=self._stack_name,
            description="Spans in over HTTP, and the Grafana Tempo API",
            create_default_stage=False,
            default_authorizer=authorizer,
            cors_preflight=_cors(settings.cors_origins),
            disable_execute_api_endpoint=True if settings.domain_name else None,
        )
        self.domain_target = ""
        stage = self._stage(settings)
        if settings.domain_name:
            self.url = self._domain(settings, stage)
        else:
            self.url = self.api.api_endpoint
        self._routes(INGEST_ROUTES, _integration("IngestIntegration", ingest))
        queries = _integration("QueryIntegration", query)
        self._routes(QUERY_ROUTES, queries)
        self._routes(PAGE_ROUTES, queries, apigatewayv2.HttpNoneAuthorizer())

    def _routes(
        self,
        keys: tuple[str, ...],
        integration: HttpLambdaIntegration,
        authorizer: apigatewayv2.IHttpRouteAuthorizer | None = None,
    ) -> None:
        for key in keys:
            method, path = key.split()
            self.api.add_routes(
                path=path,
                methods=[apigatewayv2.HttpMethod[method]],
                integration=integration,
                authorizer=authorizer,
            )

    def _stage(self, settings: Settings) -> apigatewayv2.CfnStage:
        # Groups of this prefix share one resource policy, whose size is limited.
        name = f"/aws/vendedlogs/{self._stack_name}/api"
        self.log = log_group(self, "AccessLog", name, settings)
        property_ = apigatewayv2.CfnStage
        return property_(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name="$default",
            auto_deploy=True,
            stage_variables=_stage_variables(settings),
            default_route_settings=property_.RouteSettingsProperty(
                throttling_rate_limit=settings.requests_per_second,
                throttling_burst_limit=settings.requests_at_once,
                detailed_metrics_enabled=False,  # by route, charged for as metrics of one's own
            ),
            access_log_settings=property_.AccessLogSettingsProperty(
                destination_arn=self.log.log_group_arn, format=json.dumps(_LOGGED)
            ),
        )

    def _domain(self, settings: Settings, stage: apigatewayv2.CfnStage) -> str:
        """Has the API answer at a domain, perhaps below a path of it, and returns its URL."""
        property_ = apigatewayv2.CfnDomainName
        configuration = property_.DomainNameConfigurationProperty(
            certificate_arn=settings.domain_certificate_arn, endpoint_type="REGIONAL", security_policy="TLS_1_2"
        )
        domain = property_(self, "Domain", domain_name=settings.domain_name, domain_name_configurations=[configuration])
        apigatewayv2.CfnApiMapping(
            self,
            "DomainMapping",
            domain_name=domain.ref,
            api_id=self.api.api_id,
            api_mapping_key=settings.base_path or None,
            stage=stage.ref,
        )
        self.domain_target = domain.attr_regional_domain_name
        return "/".join(filter(None, (f"https://{settings.domain_name}", settings.base_path)))


def _stage_variables(settings: Settings) -> dict[str, str]:
    """Functions read these from each event, so that a change publishes no version of them."""
    variables = {
        "SPANLAKE_TENANT_MAP": settings.tenant_map,
        "SPANLAKE_DEFAULT_TENANT": settings.default_tenant,
        "SPANLAKE_JWT_ROLES": settings.jwt_roles,
    }
    return {name: value for name, value in variables.items() if value}


def _cors(origins: tuple[str, ...]) -> apigatewayv2.CorsPreflightOptions | None:
    """API Gateway answers preflights itself, so that strangers have no function run."""
    if not origins:
        return None
    return apigatewayv2.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[apigatewayv2.CorsHttpMethod.POST],
        allow_headers=["authorization", "content-encoding", "content-type", "x-scope-orgid"],
        allow_credentials="*" not in origins,
        expose_headers=["retry-after"],
        max_age=Duration.seconds(7200),
    )


def _integration(name: str, function: Function) -> HttpLambdaIntegration:
    return HttpLambdaIntegration(name, function.alias, scope_permission_to_route=False)
