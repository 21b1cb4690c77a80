"""Who may send and ask: bearers of tokens in a secret, or of JSON Web Tokens of an issuer, or IAM principals."""

from pathlib import Path

from aws_cdk import Duration, SecretValue
from aws_cdk import aws_apigatewayv2 as apigatewayv2
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
from spanlake_cdk.permissions import allow
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
        shape = Shape(
            description="Tells API Gateway whose request it is",
            memory_mib=256,
            seconds=10,
            layers=[layer],
            environment={"SPANLAKE_TOKENS_SECRET": self.secret.secret_arn},
            may=[allow("Tokens", ["secretsmanager:GetSecretValue"], self.secret.secret_arn)],
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
