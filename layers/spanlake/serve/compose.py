"""What a server is made of, put together from its settings."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette

from spanlake.api.app import create_app
from spanlake.api.ingest_routes import ingest_routes
from spanlake.api.jaeger_sampling import sampling_route
from spanlake.api.ops import Operations, metrics_route, ops_routes
from spanlake.api.query_errors import ALL_ERRORS
from spanlake.api.tempo import tempo_routes
from spanlake.config import Config
from spanlake.ingest.admission import Admission
from spanlake.ingest.group import GroupCommit
from spanlake.ingest.service import Ingest, group_commit
from spanlake.metrics import Metrics, StoreTotals
from spanlake.query.opening import open_querier
from spanlake.receivers import otlp
from spanlake.serve.lifecycle import Lifecycle
from spanlake.serve.upkeep import LOOK_SECONDS, PLAN_SECONDS, Upkeep, UpkeepPolicy
from spanlake.store.index import Index
from spanlake.store.objects import Objects
from spanlake.store.opening import open_index, open_objects
from spanlake.store.upkeep.removal import GRACE_SECONDS
from spanlake.store.writer import write

_SLOW_THREADS = 2  # for bodies that need decompressing or come as JSON


@dataclass(frozen=True, slots=True)
class Store:
    """Where the blocks are, and which are live."""

    objects: Objects
    index: Index

    def totals(self) -> StoreTotals:
        """What is live, over all tenants and days."""
        summary = self.index.summary()
        return StoreTotals(
            blocks=sum(day.blocks for day in summary),
            spans=sum(day.spans for day in summary),
            size=sum(day.size for day in summary),
        )


@dataclass(frozen=True, slots=True)
class Process:
    """The parts of a server that have a beginning and an end."""

    app: Starlette
    ingest: Ingest
    commits: GroupCommit
    upkeep: Upkeep


def open_store(config: Config) -> Store:
    """Open the storage: on AWS as far as it is told so, otherwise in a directory, made if needed.

    In the directory blocks are below ``spans``, the index beside them. Raises StoreError.
    """
    objects = open_objects(config.objects, config.data)
    return Store(objects, open_index(config.index, config.data, config.retention))


def compose(config: Config, store: Store, lifecycle: Lifecycle) -> Process:
    """A server over this store; the caller starts and closes commits and upkeep, and the store after them."""
    metrics = Metrics()
    metrics.observe_store(store.totals)
    commits = group_commit(
        otlp.read, partial(write, store.objects, store.index), config.ingest, config.retention, metrics
    )
    ingest = _ingest(config, commits, metrics)
    querier = open_querier(store.objects, store.index, config.query, None if config.objects else config.data)
    routes = (
        *ops_routes(_operations(config, store, lifecycle)),
        metrics_route(metrics),
        *tempo_routes(querier, metrics.time_query),
        sampling_route(config.jaeger_sampling),
        *ingest_routes(ingest, ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="body")),
    )
    app = create_app(routes, ALL_ERRORS)
    return Process(app, ingest, commits, _upkeep(config, store, metrics))


def _ingest(config: Config, commits: GroupCommit, metrics: Metrics) -> Ingest:
    limits = config.ingest
    admission = Admission(max_requests=limits.flight_requests, max_bytes=limits.flight_bytes)
    metrics.observe_flight(lambda: admission.bytes_in_flight)
    return Ingest(admission, commits.submit, limits, metrics)


def _upkeep(config: Config, store: Store, metrics: Metrics) -> Upkeep:
    # A bucket has room for more than a disk, and a look at a table has a price.
    retention_bytes = None if config.objects else config.retention_bytes
    look_seconds = PLAN_SECONDS if config.index else LOOK_SECONDS
    grace_seconds = max(GRACE_SECONDS, 2 * int(config.query.seconds))
    policy = UpkeepPolicy(
        config.compaction, config.retention, retention_bytes, look_seconds, grace_seconds=grace_seconds
    )
    return Upkeep(store.objects, store.index, policy, metrics)


def _operations(config: Config, store: Store, lifecycle: Lifecycle) -> Operations:
    return Operations(lifecycle.hindrance, store.index.summary, _settings(config), time.time())


def _settings(config: Config) -> Mapping[str, str]:
    return {
        "data": str(config.data.resolve()),
        "objects": config.objects or "in data",
        "index": config.index or "in data",
        "listen": config.listen,
        "retention": "any age" if config.retention is None else str(config.retention),
        "retentionBytes": "any size" if config.retention_bytes is None else str(config.retention_bytes),
        "portOffset": str(config.port_offset),
    }
