"""The spans that questions about attributes and services look at: those of a time range that a filter finds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import FieldCompiler, span_column
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.spans import Needs, compile_spans
from spanlake.query.compile.sql import Sql
from spanlake.query.engine.inputs import bound
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.spanning_traces import SpanningTraces
from spanlake.query.time_range import TimeRange
from spanlake.traceql import ast


@dataclass(frozen=True)
class SelectedSpans:
    """The spans that overlap a time range, and of these the ones that a filter finds."""

    when: TimeRange
    filter: ast.SpansetFilter | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last nanosecond."""
        return self.when.start_ns, self.when.end_ns

    def query(self, session: Session, source: BlockScan, select: Sequence[exp.Expr]) -> exp.Select:
        """Compile ``SELECT select`` of the spans."""
        if Needs.of(*select, *self._tests(source)).whole_traces:
            source = SpanningTraces(session, source.with_history, *self.bounds).whole().once()
        return bound(session, compile_spans(select, self._tests(source)), source)

    def are_judged_alone(self, source: BlockScan) -> bool:
        """True where a span is selected without regard to the other spans of its trace."""
        return not Needs.of(*self._tests(source)).whole_traces

    def _tests(self, source: BlockScan) -> Iterator[Sql]:
        if not source.is_within(*self.bounds):
            yield from self._inside()
        if self.filter is not None:
            yield PredicateCompiler(FieldCompiler(source.known)).filter(self.filter.condition)

    def _inside(self) -> list[Sql]:
        """Return the tests of a span that starts before the end of the range, and ends after its start."""
        start, duration = span_column("start_time_unix_nano"), span_column("duration_nano")
        first, last = sql.number(self.when.start_ns), sql.number(self.when.end_ns)
        missing = exp.func("try", first - start.copy())  # how long the span must last; NULL beyond 64 bits
        reaches = exp.or_(exp.GTE(this=start, expression=first.copy()), exp.GTE(this=duration, expression=missing))
        return [exp.LTE(this=start.copy(), expression=last), reaches]
