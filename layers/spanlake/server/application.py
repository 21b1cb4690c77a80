"""The HTTP application with the Tempo API."""

from collections.abc import Mapping

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from spanlake.api.app import create_app
from spanlake.api.openapi import openapi_routes
from spanlake.api.operations import Operations, ops_routes
from spanlake.api.page import page_routes
from spanlake.api.services.access import link_routes
from spanlake.api.tempo.dependencies import ALL_ERRORS, PartialAnswers
from spanlake.api.tempo.routes import tempo_routes
from spanlake.query.open import open_querier
from spanlake.query.scan.unread_blocks import MissingBlocks
from spanlake.server.deferred import TempoApi
from spanlake.settings.model import Config
from spanlake.settings.setting import Program, values_of


def application(parts: TempoApi) -> ASGIApp:
    """Make the application; raises StoreError."""
    config, store, metrics = parts.config, parts.store, parts.metrics
    missing = MissingBlocks(config.retention, config.partial_answers, metrics.missing_blocks)
    directory = None if config.objects else config.data
    querier = open_querier(store.objects, store.index, config.query, directory, missing=missing)
    operations = Operations(
        parts.unready_reason,
        store.index.summary,
        store.index.unfinished_merges,
        _settings(config),
        parts.started,
        values_of(config, Program.SERVE),
        parts.limits,
    )
    answers = tempo_routes(querier, metrics.time_query, config.logs.slow_query_seconds, parts.limits, parts.work)
    described = (*ops_routes(operations, parts.receivers), *answers, *link_routes(config.page_links))
    routes = (*described, *openapi_routes(described), *page_routes(), *parts.others)
    return create_app(routes, ALL_ERRORS, [Middleware(PartialAnswers)], parts.access_of, parts.notices)


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
