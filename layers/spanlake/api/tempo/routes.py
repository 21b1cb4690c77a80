"""The routes of the Tempo API that answer questions about spans."""

import math
from contextlib import nullcontext

from starlette.routing import Route

from spanlake.api.services.access import access_routes
from spanlake.api.services.analyses import analysis_routes
from spanlake.api.services.services import service_routes
from spanlake.api.tempo.dependencies import QueryRunner, Timer
from spanlake.api.tempo.metrics import metrics_routes
from spanlake.api.tempo.query_queue import QueryQueue
from spanlake.api.tempo.search import search_routes
from spanlake.api.tempo.tags import tag_routes
from spanlake.api.tempo.traces import trace_routes
from spanlake.ingest.tenant_work import TenantWork
from spanlake.query.querier import Querier
from spanlake.store.tenant_limits import LimitsSource, NoLimits


def tempo_routes(
    querier: Querier,
    timer: Timer = nullcontext,
    slow_seconds: float = math.inf,
    limits: LimitsSource | None = None,
    work: TenantWork | None = None,
) -> list[Route]:
    """Return the routes, answered by a querier.

    ``timer`` is entered with the route's path for every query; a query of ``slow_seconds`` or more is logged.
    ``limits`` are those of tenants; ``work`` is what they take of the process.
    """
    queue = QueryQueue(work=work)
    runner = QueryRunner(querier, timer, queue, slow_seconds=slow_seconds, tenant_limits=limits or NoLimits())
    return [
        *trace_routes(runner),
        *metrics_routes(runner),
        *search_routes(runner),
        *tag_routes(runner),
        *access_routes(),
        *service_routes(runner),
        *analysis_routes(runner),
    ]
