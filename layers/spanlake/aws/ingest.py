"""The function that takes spans in over HTTP, and answers when they are durable."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from spanlake.api.app import create_app
from spanlake.api.errors import INGEST_ERRORS
from spanlake.api.ingest.routes import ingest_routes
from spanlake.aws.environment import CheckedRequests, IdentityCheck, LambdaStore, prepare_for_snapshot
from spanlake.aws.gateway import gateway_access, labelled
from spanlake.aws.http import http_handler
from spanlake.aws.settings import base_path, settings
from spanlake.aws.telemetry import Handler, Telemetry
from spanlake.ingest.admission import Admission
from spanlake.ingest.group_commit import ImmediateCommit
from spanlake.ingest.pipeline import Pipeline
from spanlake.ingest.rates import SharedRates
from spanlake.ingest.sender_log import SenderLog
from spanlake.ingest.service import Ingest
from spanlake.receivers import otlp
from spanlake.store.index.dynamodb.meters import DynamoMeters
from spanlake.store.tenant_limits import IndexedLimits, RefreshedLimits, columns_of, limits_of
from spanlake.store.write import write


def handler() -> Handler:
    """Return the function as its environment wants it; raises InvalidSetting and StoreError."""
    config, telemetry = settings(os.environ), Telemetry("spanlake-ingest")
    store = LambdaStore.open(config)
    source = RefreshedLimits(IndexedLimits(store.index))
    of_tenant = limits_of(source)
    commit = Pipeline(
        otlp.read,
        partial(write, store.objects, store.index, columns_of=columns_of(source)),
        telemetry,
        config.retention,
        limits_of=of_tenant,
        log=SenderLog(),
    )
    limits = config.ingest
    admission = Admission(max_requests=limits.flight_requests, max_bytes=limits.flight_bytes)
    rates = SharedRates(of_tenant, DynamoMeters(store.index.client, store.index.table))
    ingest = Ingest(admission, ImmediateCommit(commit).submit, limits, telemetry, rates=rates)
    routes = ingest_routes(ingest, ThreadPoolExecutor(1, thread_name_prefix="body"))
    app = create_app(routes, INGEST_ERRORS, (), labelled(gateway_access(os.environ), telemetry.label), ingest.notices)
    checked = CheckedRequests(app, IdentityCheck(store, telemetry))
    prepare_for_snapshot()
    return telemetry.handler(http_handler(checked, config.cors_origins, base_path(os.environ), telemetry.label))
