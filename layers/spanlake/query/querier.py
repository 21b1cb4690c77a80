"""Everything that can be asked about stored spans, one method a question. Blocking; share it between threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from spanlake.query import search, tags, traces
from spanlake.query.duck import Cancellation, Duck, Session
from spanlake.query.found import FoundTrace
from spanlake.query.metrics import Metrics
from spanlake.query.series import Series
from spanlake.query.source import Source
from spanlake.query.steps import Steps
from spanlake.query.tags import TagValue, TimeRange
from spanlake.store.index import Index
from spanlake.store.objects import Objects
from spanlake.traceql.dialect import Dialect
from spanlake.traceql.lenient import filters
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.tree import Field, Query

ALWAYS = TimeRange(0, 2**63 - 1)


@dataclass(frozen=True)
class Querier:
    """Answers questions from the live blocks of an index."""

    index: Index
    objects: Objects
    duck: Duck
    dialect: Dialect

    def trace(
        self, tenant: str, trace_id: bytes, when: TimeRange = ALWAYS, cancellation: Cancellation | None = None
    ) -> pa.Table | None:
        """The span table of a trace of which some span may lie in the range; None if there is none."""
        with self._ask(tenant, when, cancellation) as (session, source):
            return traces.trace(session, source, trace_id)

    def search(self, tenant: str, wanted: search.Search, cancellation: Cancellation | None = None) -> list[FoundTrace]:
        """The traces that match."""
        slack = search.TRACE_SLACK_NS
        wide = TimeRange(max(wanted.start_ns - slack, 0), min(wanted.end_ns + slack, ALWAYS.end_ns))
        with self._ask(tenant, wide, cancellation) as (session, source):
            return search.search(session, source, wanted) if source.blocks else []

    def tag_names(
        self, tenant: str, scope: str, q: str, when: TimeRange = ALWAYS, cancellation: Cancellation | None = None
    ) -> dict[str, list[str]]:
        """Attribute names by scope; ``q`` may be a broken query, and counts as far as it can be understood."""
        with self._ask(tenant, when, cancellation) as (session, source):
            catalog = self.index.catalog(tenant, when.start_ns, when.end_ns)
            return tags.tag_names(session, source, catalog, filters(q), when, scope)

    def tag_values(
        self, tenant: str, tag: Field, q: str, when: TimeRange = ALWAYS, cancellation: Cancellation | None = None
    ) -> list[TagValue]:
        """The distinct values of a field; ``q`` as in ``tag_names``."""
        with self._ask(tenant, when, cancellation) as (session, source):
            return tags.tag_values(session, source, tag, filters(q), when)

    def metrics(
        self, tenant: str, query: Query, steps: Steps, cancellation: Cancellation | None = None
    ) -> list[Series]:
        """The series of a checked metrics query."""
        when = TimeRange(steps.first_ns, steps.last_ns)
        with self._ask(tenant, when, cancellation) as (session, source):
            return Metrics(session, source, query, steps).series()

    def plan(self, query: Query) -> SearchPlan:
        """Plan a checked search; raises TraceQLError for what can not be answered."""
        return SearchPlan.of(query)

    @contextmanager
    def _ask(self, tenant: str, when: TimeRange, cancellation: Cancellation | None) -> Iterator[tuple[Session, Source]]:
        start, end = max(when.start_ns, ALWAYS.start_ns), min(when.end_ns, ALWAYS.end_ns)
        with self.duck.session(cancellation) as session:
            yield session, Source.find(self.index, self.objects, tenant, start, end)
