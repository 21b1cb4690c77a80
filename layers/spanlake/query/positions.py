"""Which point of a metrics query a span counts for, as SQL."""

from sqlglot import exp

from spanlake.query.source import Source
from spanlake.query.steps import Steps
from spanlake.traceql import values
from spanlake.traceql.fields import Fields
from spanlake.traceql.values import Sql


def inside_of(steps: Steps, source: Source, fields: Fields) -> Sql | None:
    """True where a span counts at all; None where all spans of the source do. An engine may read other blocks, too."""
    if source.engine is None and source.lies_in(steps.since_ns, steps.last_ns):
        return None
    return inside(steps, fields.column("start_time_unix_nano"))


def inside(steps: Steps, start: Sql) -> Sql:
    """Returns the test that a span which starts then counts."""
    return exp.Between(this=start, low=values.number(steps.since_ns), high=values.number(steps.last_ns))


def position(steps: Steps, start: Sql) -> Sql:
    """The number of the first point that is not before the start."""
    if steps.instant:
        return exp.Literal.number(0)
    since = exp.paren(start - values.number(steps.since_ns))
    return exp.IntDiv(this=since, expression=values.number(steps.step_ns))
