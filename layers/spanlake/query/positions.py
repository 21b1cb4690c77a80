"""Which point of a metrics query a span counts for, as SQL."""

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import Fields
from spanlake.query.compile.sql import Sql
from spanlake.query.scan.blocks import Source
from spanlake.query.time_range import Steps


def inside_of(steps: Steps, source: Source, fields: Fields) -> Sql | None:
    """True where a span counts at all; None where all spans of the source do. An engine may read other blocks, too."""
    if source.engine is None and source.lies_in(steps.since_ns, steps.last_ns):
        return None
    return inside(steps, fields.column("start_time_unix_nano"))


def inside(steps: Steps, start: Sql) -> Sql:
    """Returns the test that a span which starts then counts."""
    return exp.Between(this=start, low=sql.number(steps.since_ns), high=sql.number(steps.last_ns))


def position(steps: Steps, start: Sql) -> Sql:
    """The number of the first point that is not before the start."""
    if steps.instant:
        return exp.Literal.number(0)
    since = exp.paren(start - sql.number(steps.since_ns))
    return exp.IntDiv(this=since, expression=sql.number(steps.step_ns))
