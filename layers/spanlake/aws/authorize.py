"""The function that tells API Gateway whose request it is: an authorizer of HTTP APIs, format 2.0, simple answers."""

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from spanlake.auth.access import Access, AccessError, CannotVerify, Unauthenticated
from spanlake.auth.endpoints import roles_for
from spanlake.auth.token_file import usable
from spanlake.auth.tokens import ANY_TENANT, InvalidTokens, Tokens
from spanlake.aws.settings import tokens_secret
from spanlake.aws.telemetry import Event, Handler, Telemetry
from spanlake.store import aws_client
from spanlake.store.deadline import limited
from spanlake.store.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_READ_SECONDS = 3.0
_LONGEST_SECONDS = 7.0  # of all attempts: API Gateway waits for ten
_KEPT_SECONDS = 300.0
_AT_MOST_EVERY = 30.0  # seconds, so that unknown tokens can not be made to cost much

_log = logging.getLogger(__name__)


class TokenSecret:
    """The tokens in a secret, read again now and then, and when there is one that is not among them.

    A secret that cannot be read, or has become invalid, leaves the tokens as they were.
    """

    def __init__(
        self,
        client: "SecretsManagerClient",
        arn: str,
        clock: Callable[[], float] = time.monotonic,
        longest_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._client = client
        self._arn = arn
        self._clock = clock
        self._longest_seconds = longest_seconds
        self._tokens: Tokens | None = None
        self._tried_at: float | None = None
        self._is_current = False  # False after a failed attempt

    def access(self, authorization: str) -> Access:
        """Return the access of an Authorization header; raises AccessError, CannotVerify without any tokens read."""
        values = [authorization] if authorization else []
        self._refresh(_KEPT_SECONDS if self._is_current else _AT_MOST_EVERY)
        try:
            return self._known().access(values)
        except Unauthenticated:
            self._refresh(_AT_MOST_EVERY)
            return self._known().access(values)

    def _known(self) -> Tokens:
        if self._tokens is None:
            raise CannotVerify("the tokens cannot be read")
        return self._tokens

    def _refresh(self, seconds: float) -> None:
        """Read the secret unless that was tried within so many seconds; at once while there are no tokens."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < seconds and self._tokens is not None:
            return
        self._tried_at, self._is_current = now, True
        try:
            with limited(self._longest_seconds):
                text = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            self._tokens = usable(Tokens.parse(text))
        except (BotoCoreError, ClientError, KeyError, InvalidTokens, StorageUnavailable) as error:
            self._is_current = False
            kept = "none" if self._tokens is None else len(self._tokens.entries)
            _log.error("tokens not read, the former count", extra={"reason": str(error)[:500], "kept": kept})


def handler() -> Handler:
    """The function as its environment wants it; raises InvalidSetting."""
    telemetry = Telemetry("spanlake-authorize")
    secret = TokenSecret(
        aws_client.Session().client("secretsmanager", aws_client.config(_READ_SECONDS)), tokens_secret(os.environ)
    )

    def authorize(event: Event, _: Any) -> dict[str, Any]:
        try:
            access = secret.access((event.get("headers") or {}).get("authorization", ""))
            access.require(roles_for(*_route(event)))
        except CannotVerify:
            raise  # API Gateway answers 500, and does not remember it
        except AccessError:
            return {"isAuthorized": False}
        return {"isAuthorized": True, "context": _context(access)}

    return telemetry.handler(authorize)


def _route(event: Event) -> tuple[str, str]:
    """Return method and path of the route, by which API Gateway remembers the answer."""
    method, _, path = str(event.get("routeKey") or "").partition(" ")
    if not path:
        about = event["requestContext"]["http"]
        return about["method"], about["path"]
    return method, path


def _context(access: Access) -> dict[str, Any]:
    """Return what functions, and the access log, get to know."""
    tenants = (ANY_TENANT,) if access.tenants is None else access.tenants
    named = {"name": access.name} if access.name else {}
    return {"tenant": tenants[0], "tenants": ",".join(tenants), "roles": ",".join(sorted(access.roles)), **named}
