"""HTTP requests as API Gateway hands them to a function, answered by an application."""

from collections.abc import Sequence
from typing import Any

from mangum import Mangum
from starlette.types import ASGIApp

from spanlake.api.cors import SpanCors
from spanlake.aws.http import FittingAnswers
from spanlake.aws.telemetry import Event, Handler
from spanlake.aws.tenant import AuthorizedTenant


def http_handler(app: ASGIApp, claim: str, cors_origins: Sequence[str] = ()) -> Handler:
    """Answers events of HTTP APIs, payload format 2.0; ``claim`` is as in AuthorizedTenant, origins as in SpanCors."""
    authorized = AuthorizedTenant(FittingAnswers(app), claim)
    adapter = Mangum(SpanCors(authorized, cors_origins) if cors_origins else authorized, lifespan="off")

    def handle(event: Event, context: Any) -> Any:
        return adapter(event, context)

    return handle
