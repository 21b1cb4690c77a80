"""Who may send and ask: bearers of tokens in a secret, or of JSON Web Tokens of an issuer, or IAM principals."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Aws, Duration, SecretValue, Stack
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.aws_apigatewayv2_authorizers import (
    HttpIamAuthorizer,
    HttpJwtAuthorizer,
    HttpLambdaAuthorizer,
    HttpLambdaResponseType,
)
from constructs import Construct

from spanlake_cdk.function import Function, Shape
from spanlake_cdk.settings import Settings

_IDENTITY = ["$request.header.Authorization"]
_BY_ROUTE = [*_IDENTITY, "$context.routeKey"]  # a role is asked for by route


class Tokens(Construct):
    """Bearer tokens and their tenants in a secret, and the function that knows them."""

    def __init__(
        self, scope: Construct, name: str, settings: Settings, functions: Path, layer: lambda_.ILayerVersion
    ) -> None:
        super().__init__(scope, name)
        self.secret = secretsmanager.Secret(
            self,
            "Tokens",
            description=(
                "Hashes of spanlake's tokens with tenants and roles, as `spanlake token` prints them. Without any, "
                "nobody gets in."
            ),
            secret_string_value=SecretValue.unsafe_plain_text("{}"),  # which is no secret
        )
        resource = self.secret.node.default_child
        assert isinstance(resource, secretsmanager.CfnSecret)
        resource.kms_key_id = settings.kms_key_arn or None
        shape = Shape(
            description="Tells API Gateway whose request it is",
            memory_mib=256,
            seconds=10,
            layers=[layer],
            environment={"SPANLAKE_TOKENS_SECRET": self.secret.secret_arn},
            role=self._role(settings),
            snap_start=settings.starts_from_snapshots,
            concurrency=settings.authorize_concurrency,
        )
        self.authorize = Function(self, "Authorize", settings, functions / "authorize", shape)
        self.authorizer = HttpLambdaAuthorizer(
            "TokenAuthorizer",
            self.authorize.alias,
            authorizer_name="tokens",
            identity_source=_BY_ROUTE,
            response_types=[HttpLambdaResponseType.SIMPLE],
            results_cache_ttl=Duration.seconds(settings.token_cache_seconds),
        )

    def _role(self, settings: Settings) -> iam.IRole:
        """Defines the role; the CDK must grant no more, nor once more what is granted here."""
        log = f"/aws/lambda/{Stack.of(self).stack_name}-authorize:*"
        log_arn = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{log}"
        statements = [
            _allow("Tokens", ["secretsmanager:GetSecretValue"], self.secret.secret_arn),
            _allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], log_arn),
        ]
        if settings.tracing:  # X-Ray has nothing that could be named
            statements.append(_allow("Traces", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"))
        if settings.function_subnet_ids:  # interfaces that are not there yet have no names
            statements.append(_allow("Network", _INTERFACES, "*"))
        if settings.kms_key_arn:
            statements.append(_allow("Key", ["kms:Decrypt"], settings.kms_key_arn))
        role = iam.Role(
            self,
            "AuthorizeRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"authorize": iam.PolicyDocument(statements=statements)},
            permissions_boundary=self._boundary(settings),
        )
        return role.without_policy_updates()

    def _boundary(self, settings: Settings) -> iam.IManagedPolicy | None:
        if not settings.permissions_boundary_arn:
            return None
        return iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", settings.permissions_boundary_arn)


_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def _allow(sid: str, actions: Sequence[str], *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=list(resources))


def authorizer_without_tokens(settings: Settings) -> apigatewayv2.IHttpRouteAuthorizer:
    """IAM's signatures, or JSON Web Tokens."""
    return HttpIamAuthorizer() if settings.use_iam else _jwt_authorizer(settings)


def _jwt_authorizer(settings: Settings) -> apigatewayv2.IHttpRouteAuthorizer:
    """JSON Web Tokens, which API Gateway itself verifies."""
    return HttpJwtAuthorizer(
        "JwtAuthorizer",
        settings.jwt_issuer,
        jwt_audience=[settings.jwt_audience],
        authorizer_name="jwt",
        identity_source=_IDENTITY,
    )
