"""Who may send and ask: bearers of tokens in a secret, or of JSON Web Tokens of an issuer, or IAM principals."""

from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
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


def tokens_arn(scope: Construct, settings: Settings) -> str:
    """ARN of the secret of tokens: the given one, or a new one; empty where tokens do not count.

    A new one has no value, which an update could set again; with another authorizer, and without the stack, it stays.
    """
    if not settings.uses_tokens or settings.existing_tokens_arn:
        return settings.existing_tokens_arn if settings.uses_tokens else ""
    secret = secretsmanager.CfnSecret(
        Construct(scope, "Secrets"),
        "Tokens",
        description=(
            "Hashes of spanlake's tokens with tenants and roles, as `spanlake token` prints them. Without any, "
            "nobody gets in."
        ),
        kms_key_id=settings.kms_key_arn or None,
    )
    secret.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    return secret.ref


class Tokens(Construct):
    """The function that knows bearer tokens and their tenants."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: Settings,
        *,
        secret_arn: str,
        folder: Path,
        layer: lambda_.ILayerVersion,
        role: iam.IRole,
    ) -> None:
        super().__init__(scope, name)
        shape = Shape(
            description="Tells API Gateway whose request it is",
            memory_mib=256,
            seconds=10,
            layers=[layer],
            environment={"SPANLAKE_TOKENS_SECRET": secret_arn},
            role=role,
            snap_start=settings.starts_from_snapshots,
            concurrency=settings.authorize_concurrency,
        )
        self.authorize = Function(self, "Authorize", settings, folder, shape)
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
