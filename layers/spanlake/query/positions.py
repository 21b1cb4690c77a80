"""Which point of a metrics query a span counts for, as SQL."""

from sqlglot import exp

from spanlake.query.steps import Steps
from spanlake.traceql import values
from spanlake.traceql.values import Sql


def inside(steps: Steps, start: Sql) -> Sql:
    """Whether a span that starts then counts at all."""
    return exp.Between(this=start, low=values.number(steps.first_ns), high=values.number(steps.last_ns))


def position(steps: Steps, start: Sql) -> Sql:
    """The number of the first point that is not before the start."""
    if steps.instant:
        return exp.Literal.number(0)
    since = exp.paren(start - values.number(steps.first_ns - steps.step_ns + 1))
    return exp.IntDiv(this=since, expression=values.number(steps.step_ns))
