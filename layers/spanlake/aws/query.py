"""The function that answers the Tempo API."""

import os
import time
from collections.abc import Mapping
from functools import partial

from starlette.middleware import Middleware

from spanlake.api.app import create_app
from spanlake.api.openapi import openapi_routes
from spanlake.api.operations import Operations, ops_routes
from spanlake.api.page import page_routes
from spanlake.api.services.access import link_routes
from spanlake.api.tempo.dependencies import ALL_ERRORS, PartialAnswers
from spanlake.api.tempo.routes import tempo_routes
from spanlake.aws.environment import CheckedRequests, IdentityCheck, LambdaStore, prepare_for_snapshot
from spanlake.aws.gateway import gateway_access, labelled
from spanlake.aws.http import http_handler
from spanlake.aws.settings import base_path, settings
from spanlake.aws.telemetry import Handler, Metric, Telemetry
from spanlake.query.open import open_querier
from spanlake.query.scan.offload import Offload
from spanlake.query.scan.unread_blocks import MissingBlocks
from spanlake.settings.model import AthenaSettings, Config
from spanlake.settings.setting import Program, values_of
from spanlake.store.index.dynamodb.meters import DynamoMeters
from spanlake.store.tenant_limits import IndexedLimits, LimitsSource, RefreshedLimits


def handler() -> Handler:
    """Return the function as its environment wants it; raises InvalidSetting and StoreError."""
    config, telemetry = settings(os.environ), Telemetry("spanlake-query")
    store = LambdaStore.open(config)
    missing = MissingBlocks(config.retention, config.partial_answers, partial(telemetry.count, Metric.BLOCKS_MISSING))
    querier = open_querier(store.objects, store.index, config.query, None, _offload(store, config.athena), missing)
    limits = RefreshedLimits(IndexedLimits(store.index))
    routes = [
        *ops_routes(_operations(store, config, limits)),
        *tempo_routes(querier, telemetry.time_query, config.logs.slow_query_seconds, limits),
        *link_routes(config.page_links),
    ]
    app = create_app(
        [*routes, *openapi_routes(routes), *page_routes()],
        ALL_ERRORS,
        [Middleware(PartialAnswers)],
        labelled(gateway_access(os.environ), telemetry.label),
    )
    checked = CheckedRequests(app, IdentityCheck(store, telemetry))
    prepare_for_snapshot()
    return telemetry.handler(http_handler(checked, (), base_path(os.environ), telemetry.label))


def _operations(store: LambdaStore, config: Config, limits: LimitsSource) -> Operations:
    """Return what the pages of status and readiness tell of."""
    index, shown = store.index, values_of(config, Program.QUERY)
    return Operations(lambda: None, index.summary, index.unfinished_merges, _shown(config), time.time(), shown, limits)


def _offload(store: LambdaStore, settings: AthenaSettings) -> Offload | None:
    """Where queries of large ranges run, if there is a place for them."""
    if not settings.workgroup or not settings.table:
        return None
    from spanlake.query.engine.athena.engine import open_athena

    meters = DynamoMeters(store.index.client, store.index.table)
    return Offload(open_athena(store.objects.session, settings, meters), settings.above_bytes)


def _shown(config: Config) -> Mapping[str, str]:
    retention = "any age" if config.retention is None else str(config.retention)
    return {"objects": config.objects, "index": config.index, "retention": retention}
