"""Finds all traces of a store that match a query."""

from collections import deque
from pathlib import Path

from spanlake.cli.errors import CommandError
from spanlake.query.limits import LimitExceeded
from spanlake.query.open import open_querier
from spanlake.query.plan import SearchPlan, plan_search
from spanlake.query.querier import Querier
from spanlake.query.search import Search
from spanlake.settings.model import QueryLimits
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.traceql.errors import TraceQLError
from spanlake.traceql.parser import parse
from spanlake.traceql.validate import validate

_MOST_TRACES = 1_000_000
SEARCH_TRACES = 1_000
"""Limit on traces of one search. A range that has more is divided in two."""
_SHORTEST_NS = 1_000_000
_LIMITS = QueryLimits(seconds=3600, spans=0)


def matching_traces(
    objects: Objects, index: Index, tenant: str, traceql: str, bounds_ns: tuple[int, int], together: int = SEARCH_TRACES
) -> set[bytes]:
    """Return the ids of the traces that a search of this range finds. Raises CommandError."""
    directory = Path(objects.uri("spans")).parent if isinstance(objects, LocalObjects) else None
    querier = open_querier(objects, index, _LIMITS, directory)
    try:
        plan = plan_search(validate(parse(traceql), querier.sizes))
        return _found(querier, tenant, plan, _stored(index, tenant, *bounds_ns), together)
    except (TraceQLError, LimitExceeded) as error:
        raise CommandError(str(error)) from None


def _stored(index: Index, tenant: str, start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return the part of a range that blocks cover."""
    blocks = index.find(tenant, start_ns, end_ns)
    first, last = (
        min((block.start_ns for block in blocks), default=0),
        max((block.end_ns for block in blocks), default=0),
    )
    return max(start_ns, first), min(end_ns, last)


def _found(querier: Querier, tenant: str, plan: SearchPlan, bounds: tuple[int, int], together: int) -> set[bytes]:
    found: set[bytes] = set()
    pending = deque([bounds])
    while pending:
        start, end = pending.popleft()
        traces = querier.search(tenant, Search(plan, start, end, together, spans=1))
        if len(traces) >= together and end - start > _SHORTEST_NS:
            middle = (start + end) // 2
            pending += [(start, middle), (middle + 1, end)]
            continue
        if len(traces) >= together:
            raise CommandError(f"{together} traces within a millisecond match: export by time alone")
        found.update(trace.header.trace_id for trace in traces)
        if len(found) > _MOST_TRACES:
            raise CommandError(f"more than {_MOST_TRACES} traces match: export a shorter range at a time")
    return found
