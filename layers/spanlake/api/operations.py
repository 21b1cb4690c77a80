"""Endpoints for operators and probes: readiness, stored totals, metrics, version."""

import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from spanlake.api.status_pages import status_pages
from spanlake.settings.model import Config
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.index.base import DaySummary, UnfinishedMerge
from spanlake.store.index.summary import by_day, quarantined_days
from spanlake.telemetry.prometheus import Metrics

T = TypeVar("T")

# Grafana turns features on by comparing this with Tempo versions; what follows the + does not count (semver 2.0.0, 10).
_TEMPO_API = "3.1.0"


@dataclass(frozen=True, slots=True)
class Operations:
    """Sources of the answers of the operations endpoints."""

    hindrance: Callable[[], str | None]  # why the process does not take requests right now, None when it does
    summary: Callable[[], Sequence[DaySummary]]
    unfinished_merges: Callable[[], Sequence[UnfinishedMerge]]
    settings: Mapping[str, str]  # shown as they are, so never a secret
    started: float  # seconds since 1970
    config: Config  # shown without what looks like a secret


def metrics_route(metrics: Metrics) -> Route:
    """The route ``/metrics``."""

    async def exposed(_: Request) -> Response:
        text, media_type = await run_in_threadpool(metrics.expose)
        return Response(text, headers={"Content-Type": media_type})

    return Route("/metrics", exposed)


def ready_route(hindrance: Callable[[], str | None]) -> Route:
    """The route ``/ready``, given why the process does not take requests right now, None when it does."""
    return Route("/ready", _ready(hindrance))


def _ready(hindrance: Callable[[], str | None]) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_: Request) -> Response:
        """Return 200 when the process takes requests, or 503 and the reason why it does not."""
        found = hindrance()
        return PlainTextResponse(f"{found or 'ready'}\n", 200 if found is None else 503)

    return ready


def ops_routes(operations: Operations) -> list[Route]:
    """The routes ``/ready``, ``/status`` with what is below it, and ``/api/status/buildinfo``."""
    from spanlake.api.typed_route import TypedRoute  # not in the edge, which has no FastAPI

    async def status(_: Request) -> Response:
        """Return what is stored by tenant and day, and the settings."""
        summary = await run_in_threadpool(_in_time, operations.summary)
        unfinished = await run_in_threadpool(_in_time, operations.unfinished_merges)
        return JSONResponse(_status(operations, summary, unfinished))

    async def buildinfo(_: Request) -> Response:
        """Return the version of the Tempo API, which Grafana compares with those of Tempo."""
        return JSONResponse(_buildinfo())

    return [
        TypedRoute("/ready", _ready(operations.hindrance), media_type="text/plain"),
        TypedRoute("/status", status),
        TypedRoute("/api/status/buildinfo", buildinfo),
        *status_pages(_version(), operations.config),
    ]


def _in_time(ask: Callable[[], T]) -> T:
    """Asks storage within the time of a request; storage that does not answer is given up."""
    with limited(REQUEST_SECONDS):
        return ask()


def _status(
    operations: Operations, summary: Sequence[DaySummary], unfinished: Sequence[UnfinishedMerge]
) -> dict[str, object]:
    hindrance = operations.hindrance()
    return {
        "version": version("spanlake"),
        "state": hindrance or "ready",
        "uptimeSeconds": round(time.time() - operations.started),
        "settings": dict(operations.settings),
        "store": by_day(summary),
        "quarantined": quarantined_days(unfinished, time.time()),
    }


def _buildinfo() -> dict[str, str]:
    """The keys that Tempo answers with; Go is not among what this is built with, so its place names the interpreter."""
    return {
        "version": _version(),
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": f"python{platform.python_version()}",
    }


def _version() -> str:
    return f"{_TEMPO_API}+spanlake.{version('spanlake')}"
