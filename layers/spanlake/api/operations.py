"""Operations endpoints: readiness, status, metrics and build information."""

import json
import platform
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from spanlake.api.authentication import access_in
from spanlake.auth.access import Access, Role
from spanlake.settings.tenant_limits import Overrides
from spanlake.store.blocks.block import DaySummary
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.index.base import UnfinishedMerge, by_day, quarantined_days
from spanlake.store.tenant_limits import LimitsSource, NoLimits
from spanlake.telemetry.prometheus import Metrics

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_SECRET_NAME = re.compile(r"secret|password|token|credential|(^|_)key", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=//)[^/@\s]*@")
_MASK = "<secret>"


def status_pages(version: str, config: Mapping[str, Any], others: Sequence[BaseRoute] = ()) -> list[Route]:
    """Return the routes, of a server of this version with these settings; ``others`` are served on other ports."""
    from spanlake.api.typed_route import TypedRoute  # not in the edge, which has no FastAPI

    async def show_version(_: Request) -> Response:
        """Return the version as Tempo prints it."""
        return PlainTextResponse(_version_page(version))

    async def show_endpoints(request: Request) -> Response:
        """List the paths, each with its methods."""
        return PlainTextResponse(_endpoints((*request.app.routes, *others)))

    async def show_config(request: Request) -> Response:
        """Return all settings as YAML, secrets masked."""
        if request.query_params.get("mode"):
            raise HTTPException(400, "mode is not supported: /status/config shows all settings, defaults included")
        return PlainTextResponse(config_page(config))

    return [
        TypedRoute("/status/version", show_version, media_type="text/plain"),
        TypedRoute("/status/endpoints", show_endpoints, media_type="text/plain"),
        TypedRoute("/status/config", show_config, media_type="text/plain"),
    ]


def config_page(settings: "Mapping[str, Any] | DataclassInstance") -> str:
    """Return the settings as YAML, whatever looks like a secret masked."""
    values = settings if isinstance(settings, Mapping) else asdict(settings)
    return "".join(f"{line}\n" for line in _yaml(values))


def _version_page(version: str) -> str:
    """Return the lines in which Prometheus, Tempo and Loki tell their version."""
    return (
        f"tempo, version {version} (branch: , revision: )\n"
        "  build user:       \n"
        "  build date:       \n"
        f"  python version:   {platform.python_version()}\n"
        f"  platform:         {platform.system().lower()}/{platform.machine()}\n"
    )


def _endpoints(routes: Iterable[BaseRoute]) -> str:
    """Return a line for each path: the path and its methods."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, Route):
            methods.setdefault(re.sub(r":\w+}", "}", route.path), set()).update(route.methods or {"POST"})
    width = max(map(len, methods), default=0)
    return "".join(f"{path:{width}}  {', '.join(sorted(methods[path]))}\n" for path in sorted(methods))


def _yaml(settings: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a mapping."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _yaml(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {_scalar(name, value)}"


def _scalar(name: str, value: Any) -> str:
    if value and _SECRET_NAME.search(name):
        return json.dumps(_MASK)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple | set | frozenset):
        return json.dumps([_masked(str(item)) for item in value])
    return json.dumps(_masked(str(value)))


def _masked(text: str) -> str:
    return _USER_IN_URL.sub(f"{_MASK}@", text)


T = TypeVar("T")

# Grafana turns features on by comparing this with Tempo versions; what follows the + does not count (semver 2.0.0, 10).
_TEMPO_API = "3.1.0"


@dataclass(frozen=True, slots=True)
class Operations:
    """Sources of the answers of the operations endpoints."""

    unready_reason: Callable[[], str | None]  # why the process does not take requests right now, None when it does
    summary: Callable[[], Sequence[DaySummary]]
    unfinished_merges: Callable[[], Sequence[UnfinishedMerge]]
    settings: Mapping[str, str]  # shown as they are, so never a secret
    started: float  # seconds since 1970
    config: Mapping[str, Any]  # all settings of the program, shown without what looks like a secret
    limits: LimitsSource = field(default_factory=NoLimits)  # of tenants


def metrics_routes(metrics: Metrics) -> list[Route]:
    """Return the routes ``/metrics`` and ``/usage_metrics``."""
    return [_exposing("/metrics", metrics.expose), _exposing("/usage_metrics", metrics.expose_usage)]


def _exposing(path: str, expose: Callable[[], tuple[bytes, str]]) -> Route:
    async def exposed(_: Request) -> Response:
        text, media_type = await run_in_threadpool(expose)
        return Response(text, headers={"Content-Type": media_type})

    return Route(path, exposed)


def ready_route(unready_reason: Callable[[], str | None]) -> Route:
    """Return the route ``/ready``, given why the process does not take requests right now, None when it does."""
    return Route("/ready", _ready(unready_reason))


def echo_route() -> Route:
    """Return the route ``/api/echo``, for the time until the Tempo API is loaded, which has it too."""

    async def echo(_: Request) -> Response:
        return PlainTextResponse("echo")

    return Route("/api/echo", echo)


def _ready(reason: Callable[[], str | None]) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_: Request) -> Response:
        """Return 200 when the process takes requests, or 503 and the reason why it does not."""
        found = reason()
        return PlainTextResponse(f"{found or 'ready'}\n", 200 if found is None else 503)

    return ready


def ops_routes(operations: Operations, others: Sequence[BaseRoute] = ()) -> list[Route]:
    """Return the routes ``/ready``, ``/status`` with what is below it, and ``/api/status/buildinfo``.

    ``others`` are routes on other ports, which ``/status/endpoints`` lists, too.
    """
    from spanlake.api.typed_route import TypedRoute  # not in the edge, which has no FastAPI

    endpoints = _Endpoints(operations)
    return [
        TypedRoute("/ready", _ready(operations.unready_reason), media_type="text/plain"),
        TypedRoute("/status", endpoints.status),
        TypedRoute("/status/overrides", endpoints.overrides),
        TypedRoute("/api/status/buildinfo", endpoints.buildinfo),
        *status_pages(_version(), operations.config, others),
    ]


@dataclass(frozen=True, slots=True)
class _Endpoints:
    operations: Operations

    async def status(self, request: Request) -> Response:
        """Return what is stored by tenant and day, and the settings; of the own tenants unless the role is admin."""
        access = access_in(request.scope)
        summary = await run_in_threadpool(_in_time, self.operations.summary)
        unfinished = await run_in_threadpool(_in_time, self.operations.unfinished_merges)
        own = [day for day in summary if access.sees(day.tenant)]
        own_merges = [one for one in unfinished if access.sees(one.merge.tenant)]
        return JSONResponse(_status(self.operations, own, own_merges, with_settings=Role.ADMIN in access.roles))

    async def overrides(self, request: Request) -> Response:
        """Return the limits of tenants, of the own ones unless the role is admin; sizes in bytes, ages in seconds."""
        return JSONResponse(_overrides(self.operations.limits.current, access_in(request.scope)))

    async def buildinfo(self) -> Response:
        """Return the version of the Tempo API, which Grafana compares with those of Tempo."""
        return JSONResponse(_buildinfo())


def _overrides(limits: Overrides, access: Access) -> dict[str, object]:
    named = set(limits.tenants) | set(access.tenants or ())
    shown = {tenant: limits.of(tenant).shown() for tenant in sorted(named) if access.sees(tenant)}
    return {"defaults": limits.defaults.shown(), "tenants": shown}


def _in_time(ask: Callable[[], T]) -> T:
    """Ask storage within the time of a request; storage that does not answer is given up."""
    with limited(REQUEST_SECONDS):
        return ask()


def _status(
    operations: Operations,
    summary: Sequence[DaySummary],
    unfinished: Sequence[UnfinishedMerge],
    *,
    with_settings: bool,
) -> dict[str, object]:
    reason = operations.unready_reason()
    return {
        "version": version("spanlake"),
        "state": reason or "ready",
        "uptimeSeconds": round(time.time() - operations.started),
        "settings": dict(operations.settings) if with_settings else {},
        "store": by_day(summary),
        "quarantined": quarantined_days(unfinished, time.time()),
    }


def _buildinfo() -> dict[str, str]:
    """Return the keys that Tempo answers with.

    Go is not among what this is built with, so its place names the interpreter.
    """
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
