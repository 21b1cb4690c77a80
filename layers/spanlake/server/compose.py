"""Composes a server from its settings: storage, ingestion and listeners."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

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
from spanlake.ingest.admission import Admission
from spanlake.ingest.group_commit import GroupCommit
from spanlake.ingest.service import Destination, Ingest, group_commit
from spanlake.query.open import open_querier
from spanlake.query.scan.missing_blocks import MissingBlocks
from spanlake.receivers import otlp
from spanlake.server.lifecycle import Lifecycle
from spanlake.server.maintenance import LOOK_SECONDS, PLAN_SECONDS, Maintenance, MaintenancePolicy
from spanlake.settings.model import Config, replaced_seconds
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.errors import StoreError
from spanlake.store.identity import check_identity
from spanlake.store.index.base import Index
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.objects.base import Objects
from spanlake.store.open import open_index, open_objects
from spanlake.store.write import write, write_deleted
from spanlake.telemetry.prometheus import Metrics, StoreTotals

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """Objects and index of a server."""

    objects: Objects
    index: Index

    def totals(self) -> StoreTotals | None:
        """Return the totals of live blocks of all tenants and days; None when the index does not answer."""
        try:
            with limited(REQUEST_SECONDS):
                summary = self.index.summary()
        except StoreError:
            return None
        return StoreTotals(
            blocks=sum(day.blocks for day in summary),
            spans=sum(day.spans for day in summary),
            size=sum(day.size for day in summary),
        )


def open_store(config: Config) -> Store:
    """Open the storage: on AWS where URLs are set, otherwise in a directory, which is created if missing.

    In the directory blocks are below ``spans``, the index beside them. Raises StoreError.
    """
    objects = open_objects(config.objects, config.data)
    index = open_index(config.index, config.data, config.retention)
    try:
        check_identity(objects, index)
    except StoreError:
        index.close()
        raise
    return Store(objects, index)


def take_in(config: Config, store: Store) -> None:
    """Add blocks of a directory without an index entry to its index; raises StoreError.

    A killed writer leaves objects without an entry. Blocks also lose their entries with the index's write-ahead log, or
    when an older copy of the index is restored.
    """
    if config.objects or config.index:
        return
    done = reindex(store.objects, store.index)
    if done.added:
        _log.warning("blocks without an index entry added", extra={"blocks": len(done.added)})


@dataclass(frozen=True, slots=True)
class IngestService:
    """Ingest and its commits; the caller starts and closes ``commits``."""

    ingest: Ingest
    commits: GroupCommit


def ingest_service(config: Config, store: Store, metrics: Metrics) -> IngestService:
    """Compose ingest for this store."""
    limits = config.ingest
    admission = Admission(max_requests=limits.flight_requests, max_bytes=limits.flight_bytes)
    metrics.observe_flight(lambda: admission.bytes_in_flight)
    objects, index = store.objects, store.index
    to = Destination(partial(write, objects, index), partial(write_deleted, objects, index), index.deletions)
    commits = group_commit(otlp.read, to, limits, config.retention, metrics)
    return IngestService(Ingest(admission, commits.submit, limits, metrics), commits)


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
    described = (*ops_routes(_operations(config, store, lifecycle)), *tempo_routes(querier, metrics.time_query))
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
