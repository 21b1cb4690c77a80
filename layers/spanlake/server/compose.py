"""Composes a server from its settings: HTTP applications, listeners and background maintenance."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from spanlake.api.app import create_app
from spanlake.api.cors import SpanCors
from spanlake.api.ingest.jaeger import sampling_routes
from spanlake.api.ingest.routes import ingest_routes
from spanlake.api.openapi import openapi_routes
from spanlake.api.operations import Operations, metrics_route, ops_routes
from spanlake.api.tempo.dependencies import ALL_ERRORS, PartialAnswers
from spanlake.api.tempo.routes import tempo_routes
from spanlake.query.open import open_querier
from spanlake.query.scan.missing_blocks import MissingBlocks
from spanlake.server.lifecycle import Lifecycle
from spanlake.server.maintenance import LOOK_SECONDS, PLAN_SECONDS, Maintenance, MaintenancePolicy
from spanlake.server.storage import IngestService, Store, ingest_service
from spanlake.settings.model import Config, replaced_seconds
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


def compose(config: Config, store: Store, lifecycle: Lifecycle) -> Process:
    """Make a server over this store; the caller starts and closes its commits and upkeep, and the store after them."""
    metrics = Metrics()
    metrics.observe_store(store.totals)
    taken = ingest_service(config, store, metrics)
    missing = MissingBlocks(config.retention, config.partial_answers, metrics.missing_blocks)
    directory = None if config.objects else config.data
    querier = open_querier(store.objects, store.index, config.query, directory, missing=missing)
    described = (
        *ops_routes(_operations(config, store, lifecycle)),
        *tempo_routes(querier, metrics.time_query, config.logs.slow_query_seconds),
    )
    routes = (
        *described,
        metrics_route(metrics),
        *openapi_routes(described),
        *sampling_routes(config.jaeger_sampling),
        *ingest_routes(taken.ingest, ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="body")),
    )
    app = create_app(routes, ALL_ERRORS, [Middleware(PartialAnswers)])
    shared = SpanCors(app, config.cors_origins) if config.cors_origins else app
    return Process(shared, taken, _maintenance(config, store, metrics), metrics)


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


def _operations(config: Config, store: Store, lifecycle: Lifecycle) -> Operations:
    def hindrance() -> str | None:
        return lifecycle.unready_reason() or store.index.unready_reason()

    return Operations(
        hindrance, store.index.summary, store.index.unfinished_merges, _settings(config), time.time(), config
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
