"""Composes a server from its settings: HTTP applications, listeners and background maintenance."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from spanlake.api.app import create_app
from spanlake.api.authentication import AccessOf, by_header
from spanlake.api.cors import SpanCors
from spanlake.api.errors import INGEST_ERRORS
from spanlake.api.hosts import AllowedHosts
from spanlake.api.ingest.jaeger import jaeger_routes, sampling_routes
from spanlake.api.ingest.misdirected import OtherPosts
from spanlake.api.ingest.routes import otlp_routes
from spanlake.api.ingest.zipkin import zipkin_routes
from spanlake.api.openapi import openapi_routes
from spanlake.api.operations import Operations, metrics_route, ops_routes
from spanlake.api.page import page_routes
from spanlake.api.tempo.dependencies import ALL_ERRORS, PartialAnswers
from spanlake.api.tempo.routes import tempo_routes
from spanlake.ingest.misdirected import HTTP_PATHS
from spanlake.ingest.service import Ingest
from spanlake.query.open import open_querier
from spanlake.query.scan.missing_blocks import MissingBlocks
from spanlake.server import ports
from spanlake.server.access import AccessControl, is_loopback
from spanlake.server.lifecycle import Lifecycle
from spanlake.server.maintenance import LOOK_SECONDS, PLAN_SECONDS, Maintenance, MaintenancePolicy
from spanlake.server.port_apps import PortApps
from spanlake.server.ports import SPANS_OVER_HTTP, Port, addresses, ports_advice
from spanlake.server.storage import IngestService, Store, ingest_service
from spanlake.settings.model import Config, replaced_seconds
from spanlake.settings.setting import Program, values_of
from spanlake.store.tenant_limits import LimitsSource
from spanlake.telemetry.prometheus import Metrics

_log = logging.getLogger(__name__)


_IDLE_SECONDS = 600.0  # between plans for an unchanged day whose blocks are read from a table
_SLOW_THREADS = 2  # for bodies that need decompressing or are JSON


@dataclass(frozen=True, slots=True)
class Process:
    """The parts of a server that are started and stopped."""

    app: ASGIApp
    intake: IngestService
    upkeep: Maintenance
    metrics: Metrics


def compose(config: Config, store: Store, lifecycle: Lifecycle, access: AccessControl, limits: LimitsSource) -> Process:
    """Make a server over this store; the caller starts and closes its commits and upkeep, and the store after them."""
    metrics = Metrics()
    metrics.observe_store(store.totals)
    taken = ingest_service(config, store, metrics, limits)
    missing = MissingBlocks(config.retention, config.partial_answers, metrics.missing_blocks)
    directory = None if config.objects else config.data
    querier = open_querier(store.objects, store.index, config.query, directory, missing=missing)
    receivers = _Receivers.of(config, taken.ingest)
    operations = ops_routes(_operations(config, store, lifecycle, limits), receivers.all_routes)
    answers = tempo_routes(querier, metrics.time_query, config.logs.slow_query_seconds, limits)
    described = (*operations, *answers)
    queries = (*described, metrics_route(metrics), *openapi_routes(described), *page_routes())
    app = _apps(config, queries, receivers, by_header(access.authenticator))
    return Process(app, taken, _maintenance(config, store, metrics), metrics)


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


def _apps(config: Config, queries: Sequence[BaseRoute], receivers: _Receivers, access_of: AccessOf) -> ASGIApp:
    """Compose the application of each port; only those that take spans answer pages of other origins."""
    ingest = receivers.ingest
    other = OtherPosts(ingest, f"{HTTP_PATHS}; {ports_advice(addresses(config, SPANS_OVER_HTTP))}")
    api = create_app([*queries, other], ALL_ERRORS, [Middleware(PartialAnswers)], access_of, ingest.notices)
    apps: dict[Port, ASGIApp] = dict.fromkeys(ports.TEMPO, api)
    apps[ports.SAMPLING] = create_app(receivers.sampling, INGEST_ERRORS)
    for port, routes in receivers.routes.items():
        app = create_app([*routes, other], INGEST_ERRORS, (), access_of, ingest.notices)
        apps[port] = SpanCors(app, config.cors_origins) if config.cors_origins else app
    by_port = PortApps({port.port + config.port_offset: app for port, app in apps.items()})
    hosts = config.access.allowed_hosts
    return AllowedHosts(by_port, (config.listen, *hosts)) if hosts or is_loopback(config.listen) else by_port


def _maintenance(config: Config, store: Store, metrics: Metrics) -> Maintenance:
    # A bucket has no size limit as a disk has, and reading a table's summary costs money.
    retention_bytes = None if config.objects else config.retention_bytes
    look_seconds = PLAN_SECONDS if config.index else LOOK_SECONDS
    policy = MaintenancePolicy(
        config.compaction,
        config.retention,
        retention_bytes,
        look_seconds,
        most_plan_seconds=_IDLE_SECONDS if config.index else PLAN_SECONDS,
        grace_seconds=replaced_seconds(config),
        garbage_share=config.garbage_share,
    )
    return Maintenance(store.objects, store.index, policy, metrics)


def _operations(config: Config, store: Store, lifecycle: Lifecycle, limits: LimitsSource) -> Operations:
    def hindrance() -> str | None:
        return lifecycle.unready_reason() or store.index.unready_reason()

    shown = values_of(config, Program.SERVE)
    return Operations(
        hindrance, store.index.summary, store.index.unfinished_merges, _settings(config), time.time(), shown, limits
    )


def _settings(config: Config) -> Mapping[str, str]:
    return {
        "data": str(config.data.resolve()),
        "objects": config.objects or "in data",
        "index": config.index or "in data",
        "listen": config.listen,
        "retention": "any age" if config.retention is None else str(config.retention),
        "retentionBytes": "any size" if config.retention_bytes is None else str(config.retention_bytes),
        "corsOrigins": ", ".join(config.cors_origins) or "none",
        "portOffset": str(config.port_offset),
    }
