"""HTTP requests as API Gateway hands them to a function, answered by an application."""

from typing import Any

from mangum import Mangum
from starlette.types import ASGIApp

from spanlake.aws_lambda.answers import FittingAnswers
from spanlake.aws_lambda.telemetry import Event, Handler
from spanlake.aws_lambda.tenant import AuthorizedTenant


def http_handler(app: ASGIApp, claim: str) -> Handler:
    """Answers events of HTTP APIs, payload format 2.0; ``claim`` is as in AuthorizedTenant."""
    adapter = Mangum(AuthorizedTenant(FittingAnswers(app), claim), lifespan="off")

    def handle(event: Event, context: Any) -> Any:
        return adapter(event, context)

    return handle
