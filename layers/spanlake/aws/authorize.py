"""The function that tells API Gateway whose request it is.

An authorizer of HTTP APIs (format 2.0, simple answers) and of REST APIs (REQUEST, policies).
"""

import os
from typing import Any

from spanlake.auth.access import Access, AccessError, CannotVerify
from spanlake.auth.endpoints import roles_for
from spanlake.auth.token_secret import TokenSecret
from spanlake.auth.tokens import ANY_TENANT
from spanlake.aws.http_events import header
from spanlake.aws.settings import tokens_secret
from spanlake.aws.telemetry import Event, Handler, Telemetry
from spanlake.store.secrets import open_client

_METHOD_ARN = "methodArn"  # which events of REST APIs have


def handler() -> Handler:
    """Return the function as its environment wants it; raises InvalidSetting."""
    telemetry = Telemetry("spanlake-authorize")
    secret = TokenSecret(open_client(), tokens_secret(os.environ))

    def authorize(event: Event, _: Any) -> dict[str, Any]:
        answer = _policy if _METHOD_ARN in event else _simple
        try:
            access = secret.access(header(event, "authorization") or "")
            access.require(roles_for(*_route(event)))
        except CannotVerify:
            raise  # API Gateway answers 500, and does not remember it
        except AccessError:
            return answer(event, None)
        return answer(event, access)

    return telemetry.handler(authorize)


def _simple(_: Event, access: Access | None) -> dict[str, Any]:
    """Return the answer for an HTTP API."""
    return {"isAuthorized": False} if access is None else {"isAuthorized": True, "context": _context(access)}


def _policy(event: Event, access: Access | None) -> dict[str, Any]:
    """Return the answer for a REST API, which remembers it for all paths of the method."""
    arn = str(event[_METHOD_ARN])
    method = "/".join(arn.split("/")[:3])  # of API, stage, method and path
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Deny" if access is None else "Allow",
        "Resource": f"{method}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    context = {} if access is None else {"context": _context(access)}
    return {"principalId": (access and access.name) or "token", "policyDocument": policy, **context}


def _route(event: Event) -> tuple[str, str]:
    """Return method and path of the route, by which API Gateway remembers the answer."""
    if _METHOD_ARN in event:
        return str(event["httpMethod"]), str(event["resource"])
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
