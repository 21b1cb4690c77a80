"""Selects the spans whose names and values of attributes are suggested: those of a time range that a filter finds."""

from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.candidates import place
from spanlake.query.compile import sql
from spanlake.query.compile.fields import Fields
from spanlake.query.compile.predicates import Predicates
from spanlake.query.compile.spans import columns_needed, needs_arrival, relation
from spanlake.query.compile.sql import Sql
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import Source
from spanlake.query.spanning_traces import Stretched
from spanlake.traceql.ast.nodes import SpansetFilter

_FIRST_NS, _LAST_NS = 0, 2**63 - 1


@dataclass(frozen=True)
class TimeRange:
    """An inclusive range of Unix nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def is_all(self) -> bool:
        """True where the range leaves out nothing."""
        return self.start_ns <= _FIRST_NS and self.end_ns >= _LAST_NS


@dataclass(frozen=True)
class SelectedSpans:
    """The spans that overlap a time range, and of these the ones that a filter finds."""

    when: TimeRange
    filter: SpansetFilter | None = None

    def query(self, session: Session, source: Source, fields: Fields, select: list[exp.Expr]) -> exp.Select:
        """``SELECT select`` of the spans."""
        start_ns, end_ns = self.when.start_ns, self.when.end_ns
        tests = [] if source.lies_in(start_ns, end_ns) else list(self._inside(fields))
        if self.filter is not None:
            tests.append(Predicates(fields).filter(self.filter.condition))
        if fields.needs.whole_traces:
            first_ns, last_ns = self.when.start_ns, self.when.end_ns
            source = Stretched(session, source.with_history, first_ns, last_ns).whole().once()
        spans = source.table(columns_needed(fields.needs), arrival=needs_arrival(fields.needs))
        if fields.needs.tree:
            place(session, lambda query: query.with_("spans", as_=spans.copy(), copy=False))
        return relation(fields.needs, select, spans).where(*tests, copy=False)

    def _inside(self, fields: Fields) -> list[Sql]:
        """The tests of a span that starts before the end of the range, and ends after its start."""
        start, duration = fields.column("start_time_unix_nano"), fields.column("duration_nano")
        first, last = sql.number(self.when.start_ns), sql.number(self.when.end_ns)
        missing = exp.func("try", first - start.copy())  # how long the span must last; NULL beyond 64 bits
        reaches = exp.or_(exp.GTE(this=start, expression=first.copy()), exp.GTE(this=duration, expression=missing))
        return [exp.LTE(this=start.copy(), expression=last), reaches]
