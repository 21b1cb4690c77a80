"""The function that tells API Gateway whose request it is: an authorizer of HTTP APIs, format 2.0, simple answers."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spanlake.auth.tokens import Tokens
from spanlake.aws.settings import tokens_secret
from spanlake.aws.telemetry import Event, Handler, Telemetry
from spanlake.store import aws_client

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_READ_SECONDS = 3.0  # API Gateway waits for ten, with the attempts that follow
_KEPT_SECONDS = 300.0
_AT_MOST_EVERY = 30.0  # seconds, so that unknown tokens can not be made to cost much


class TokenSecret:
    """The tokens in a secret, read again now and then, and when there is one that is not among them."""

    def __init__(self, client: "SecretsManagerClient", arn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._arn = arn
        self._clock = clock
        self._tokens = Tokens(())
        self._read_at: float | None = None

    def tenant_of(self, authorization: str) -> str | None:
        """The tenant of an Authorization header, None when it is nobody's; raises botocore's errors, InvalidTokens."""
        self._refresh(_KEPT_SECONDS)
        tenant = self._tokens.tenant_of(authorization)
        if tenant is None:
            self._refresh(_AT_MOST_EVERY)
            tenant = self._tokens.tenant_of(authorization)
        return tenant

    def _refresh(self, seconds: float) -> None:
        """Read the secret unless that was done within so many seconds."""
        now = self._clock()
        if self._read_at is not None and now - self._read_at < seconds:
            return
        self._tokens = Tokens.parse(self._client.get_secret_value(SecretId=self._arn)["SecretString"])
        self._read_at = now


def handler() -> Handler:
    """The function as its environment wants it; raises InvalidSetting."""
    telemetry = Telemetry("spanlake-authorize")
    secret = TokenSecret(
        aws_client.Session().client("secretsmanager", aws_client.config(_READ_SECONDS)), tokens_secret(os.environ)
    )

    def authorize(event: Event, _: Any) -> dict[str, Any]:
        tenant = secret.tenant_of((event.get("headers") or {}).get("authorization", ""))
        if tenant is None:
            return {"isAuthorized": False}
        return {"isAuthorized": True, "context": {"tenant": tenant}}

    return telemetry.handler(authorize)
