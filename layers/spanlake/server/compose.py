"""Composes a server from its settings: HTTP applications and ingestion."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from spanlake.api.app import create_app
from spanlake.api.authentication import AccessOf, by_header
from spanlake.api.browsers import AllowedHosts, SpanCors
from spanlake.api.errors import INGEST_ERRORS
from spanlake.api.ingest.jaeger import jaeger_routes, sampling_routes
from spanlake.api.ingest.misdirected import OtherPosts
from spanlake.api.ingest.routes import otlp_routes
from spanlake.api.ingest.zipkin import zipkin_routes
from spanlake.api.operations import echo_route, metrics_routes, ready_route
from spanlake.ingest.misdirected import HTTP_PATHS
from spanlake.ingest.service import Ingest
from spanlake.server import ports
from spanlake.server.access import AccessControl, is_loopback
from spanlake.server.deferred import DeferredApp, TempoApi
from spanlake.server.lifecycle import Lifecycle
from spanlake.server.ports import SPANS_OVER_HTTP, Port, addresses, port_notice, ports_advice
from spanlake.server.storage import IngestService, Store, ingest_service
from spanlake.settings.model import Config
from spanlake.store.index.base import Index
from spanlake.store.index.settled import settled
from spanlake.store.tenant_limits import LimitsSource
from spanlake.telemetry.prometheus import Metrics

_SLOW_THREADS = 2  # for bodies that need decompressing or are JSON


@dataclass(frozen=True, slots=True)
class Process:
    """The parts of a server that are started and stopped."""

    app: ASGIApp
    service: IngestService
    metrics: Metrics


def compose(config: Config, store: Store, lifecycle: Lifecycle, access: AccessControl, limits: LimitsSource) -> Process:
    """Make a server over this store; the caller starts and closes its commits, and the store after them.

    What only queries need is loaded with the first of them, unless the store is remote: then its errors are told first.
    """
    metrics = Metrics()
    taken = ingest_service(config, store, metrics, limits, is_logged=True)
    read = _settled(store, taken)
    metrics.observe_store(read.totals)

    unready_reason = partial(_unready_reason, lifecycle, store.index)
    receivers = _Receivers.of(config, taken.ingest)
    access_of = by_header(access.authenticator)
    other = OtherPosts(taken.ingest, f"{HTTP_PATHS}; {ports_advice(addresses(config, SPANS_OVER_HTTP))}")
    exposed, spans = metrics_routes(metrics), receivers.routes[ports.OTLP_HTTP]  # OTLP is taken beside queries, too
    parts = TempoApi(
        config=config,
        store=read,
        unready_reason=unready_reason,
        metrics=metrics,
        limits=limits,
        receivers=receivers.all_routes,
        others=(*exposed, *spans, other),
        access_of=access_of,
        notices=taken.ingest.notices,
        work=taken.work,
    )
    at_once = [ready_route(unready_reason), *exposed, echo_route(), *spans]
    return Process(_apps(config, _api(parts, at_once), receivers, other, access_of), taken, metrics)


def _settled(store: Store, taken: IngestService) -> Store:
    """Return the store as queries see it: they wait for the blocks of what the log holds."""
    log = taken.commits.log
    return store if log is None else Store(store.objects, settled(store.index, log.settle))


def _unready_reason(lifecycle: Lifecycle, index: Index) -> str | None:
    return lifecycle.unready_reason() or index.unready_reason()


def _api(parts: TempoApi, at_once: Sequence[BaseRoute]) -> ASGIApp:
    """Make the application of queries, which is loaded later where that may wait; some routes are served at once."""
    if parts.config.objects or parts.config.index:
        return parts.load()
    first = create_app(at_once, INGEST_ERRORS, (), parts.access_of, parts.notices)
    return DeferredApp(at_once, first, parts.load)


@dataclass(frozen=True, slots=True)
class _Receivers:
    """The routes of each port that takes spans or tells Jaeger's clients how to sample."""

    ingest: Ingest
    routes: Mapping[Port, Sequence[BaseRoute]]
    sampling: Sequence[BaseRoute]

    @classmethod
    def of(cls, config: Config, ingest: Ingest) -> "_Receivers":
        slow = ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="body")
        routes: dict[Port, Sequence[BaseRoute]] = {
            ports.OTLP_HTTP: otlp_routes(ingest, slow),
            ports.JAEGER_HTTP: jaeger_routes(ingest, slow),
            ports.ZIPKIN: zipkin_routes(ingest, slow),
        }
        return cls(ingest, routes, sampling_routes(config.jaeger_sampling))

    @property
    def all_routes(self) -> Sequence[BaseRoute]:
        """The routes of all these ports."""
        return [*(route for routes in self.routes.values() for route in routes), *self.sampling]


def _apps(config: Config, api: ASGIApp, receivers: _Receivers, other: BaseRoute, access_of: AccessOf) -> ASGIApp:
    """Compose the application of each port; only those that take spans answer pages of other origins."""
    ingest = receivers.ingest
    apps: dict[Port, ASGIApp] = dict.fromkeys(ports.TEMPO, api)
    queries = addresses(config, [ports.QUERIES])
    notice = port_notice(ports.SAMPLING, queries)
    apps[ports.SAMPLING] = create_app(receivers.sampling, INGEST_ERRORS, serves=notice)
    for port, routes in receivers.routes.items():
        notice = port_notice(port, queries)
        app = create_app([*routes, other], INGEST_ERRORS, (), access_of, ingest.notices, notice)
        apps[port] = SpanCors(app, config.cors_origins) if config.cors_origins else app
    by_port = PortApps({where.port: apps[where.protocol] for where in addresses(config, apps)})
    hosts = config.access.allowed_hosts
    return AllowedHosts(by_port, (config.listen, *hosts)) if hosts or is_loopback(config.listen) else by_port


class PortApps:
    """An application that passes each request to the application of the port on which it arrived."""

    def __init__(self, apps: Mapping[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._apps[scope["server"][1]](scope, receive, send)
