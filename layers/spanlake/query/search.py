"""A search as it is asked for: its plan and range, and which of the matching traces come first."""

from dataclasses import dataclass
from enum import StrEnum

from spanlake.query.compile.fields import AttributeSchema
from spanlake.query.compile.search import SearchQueries, compile_search
from spanlake.query.plan import SearchPlan
from spanlake.query.search_results import TraceSummary
from spanlake.query.spanning_traces import REACH_NS
from spanlake.query.time_range import TimeRange
from spanlake.traceql import ast
from spanlake.traceql.errors import Unsupported

_SPARE = 8  # one more trace for each eight that are wanted: those found after the last one may start later than it does


class Order(StrEnum):
    """The sort keys of traces."""

    START = "start"
    DURATION = "duration"


@dataclass(frozen=True)
class Ranking:
    """The sort key of traces, largest first unless ``ascending``."""

    order: Order = Order.START
    ascending: bool = False

    @classmethod
    def of(cls, query: ast.Query) -> "Ranking":
        """Return the ranking that a query's hints ask for, as in ``with (order=duration, asc)``; raises Unsupported."""
        order, ascending = query.hint("order", ast.Type.STRING), query.hint("asc", ast.Type.BOOL)
        if order is not None and order.value not in list(Order):
            names = " or ".join(Order)
            raise Unsupported(f"traces are ordered by {names}, as in `with (order=duration)`", query.text, order.at)
        is_ascending = ascending is not None and ascending.value is True
        return cls(Order.START if order is None else Order(str(order.value)), is_ascending)


@dataclass(frozen=True)
class Search:
    """A search: its plan and range. Times are Unix nanoseconds, inclusive. ``spans`` 0 shows every span of a set.

    Of more traces than the limit the first by the ``ranking`` are kept.
    """

    plan: SearchPlan
    start_ns: int
    end_ns: int
    limit: int = 20
    spans: int = 3
    ranking: Ranking = Ranking()

    @property
    def is_newest_first(self) -> bool:
        """True where the traces that start last are kept."""
        return self.ranking == Ranking()

    @property
    def enough(self) -> int:
        """Number of traces to judge where all match."""
        return self.limit + max(self.limit // _SPARE, 1)

    @property
    def window(self) -> TimeRange:
        """The time in which the spans of traces that run in the range are read at first."""
        return TimeRange(self.start_ns - REACH_NS, self.end_ns + REACH_NS)

    def compiled(self, schema: AttributeSchema) -> SearchQueries:
        """Compile the search for blocks with these attributes."""
        return compile_search(self.plan, schema, self.window.end_ns, self.spans)

    def rank(self, header: TraceSummary) -> tuple[int, bytes]:
        """Return the sort key of a trace; wanted traces come first."""
        is_by_start = self.ranking.order is Order.START
        value = header.start_ns if is_by_start else header.end_ns - header.start_ns
        return (value if self.ranking.ascending else -value), header.trace_id

    def is_in_range(self, header: TraceSummary) -> bool:
        """True where a trace runs in the range."""
        return header.start_ns <= self.end_ns and header.end_ns >= self.start_ns
