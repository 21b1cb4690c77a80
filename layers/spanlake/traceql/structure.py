"""Structural operators: which spans of a trace stand in a relation to others.

Whether a span lies below another one takes a walk through the trace's tree, which SQL does one level at a time. So
the compiler only says what is asked, and whoever runs the query answers: ``base_columns`` are what the tree is told
from, a ``Structural`` is a column to add.
"""

from dataclasses import dataclass

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.known import Known
from spanlake.traceql.relation import ARRIVAL, SPANS
from spanlake.traceql.tree import SpansetOperator

BASE = "level0"
"""The table that questions are asked of, with a row a span."""
ROW = "row"
"""A column that is added to it: the row's number, from 0."""
SET = "set_key"
"""A number of a span set among those that by() makes of a trace: a hash of its values."""
TRACE, KEY, PARENT_KEY, KIND, START = "trace_id", "span_key", "parent_key", "span_kind", "span_start"
ID, DURATION, NAME = "own_id", "span_duration", "span_name"
_PARENT_ID = "parent_span_id"


@dataclass(frozen=True)
class Operand:
    """Spans: those of which a column of BASE holds, or, where it is none of BASE's, whose ROW the query ``rows`` gives.

    The query reads BASE with the columns of the steps before. Of a step that is ``by_set`` there always is one, which
    also gives the SET of each row.
    """

    column: str
    rows: exp.Select | None = None


@dataclass(frozen=True)
class Structural:
    """The column to add: true where a span is in the set that a structural operator makes of two others.

    A step that is ``by_set`` relates spans of one SET only, whatever spans of others lie between them. Its column holds
    the list of the SETs in which a span is found, NULL where there is none.
    """

    column: str
    op: SpansetOperator
    left: Operand
    right: Operand
    by_set: bool = False


def tree_query() -> exp.Select:
    """What is told of the table ``spans`` to make the table PLACED of."""
    fields = Fields(Known())
    trace = exp.alias_(exp.func("hash", fields.column(TRACE)), TRACE)
    own_id = exp.alias_(fields.column("span_id"), ID)
    return exp.select(trace, own_id, *base_columns(fields)).from_(exp.table_(SPANS, alias=SPAN), copy=False)


def base_columns(fields: Fields) -> list[exp.Expr]:
    """What a trace's tree is told from.

    Ids are hashed to 64 bits, which takes half the time: among a hundred million spans two have the same hash once in
    four thousand times. A root has no PARENT_KEY.
    """
    trace, span, parent = (fields.column(name) for name in (TRACE, "span_id", _PARENT_ID))
    fields.needs.arrival = True
    parent_key = values.case(values.not_null(parent), exp.func("hash", trace.copy(), parent.copy()))
    return [
        exp.alias_(exp.func("hash", trace, span), KEY),
        exp.alias_(parent_key, PARENT_KEY),
        exp.alias_(fields.column("kind"), KIND),
        exp.alias_(exp.column(ARRIVAL, table=SPAN), ARRIVAL),
        exp.alias_(fields.column("start_time_unix_nano"), START),
        exp.alias_(fields.column("duration_nano"), DURATION),
        exp.alias_(fields.column("name"), NAME),
    ]
