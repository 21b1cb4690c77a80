"""Structural operators: tests of the relations between the spans of a trace.

Finding descendants takes a walk through the trace's tree, which SQL does one level at a time. Therefore the compiler
only describes the tests, and the engine that runs the query evaluates them: ``base_columns`` are the input for the
tree, a ``StructuralStep`` is a column to add.
"""

from dataclasses import dataclass, replace

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import SPAN, span_column
from spanlake.query.compile.spans import ROW_ID, Compiled, SpanInput, compile_spans
from spanlake.traceql import ast

BASE = "level0"
"""The table that the tests refer to, with a row for each span."""
ROW = "row"
"""The column added to BASE for the row's number, from 0."""
SET = "set_key"
"""The number of a span set among those that by() makes of a trace: a hash of its values."""
TRACE, KEY, PARENT_KEY, KIND, START = "trace_id", "span_key", "parent_key", "span_kind", "span_start"
ID, DURATION, NAME = "own_id", "span_duration", "span_name"
_PARENT_ID = "parent_span_id"


@dataclass(frozen=True)
class SpansetOperand:
    """A set of spans: rows of BASE where a column is true, or else the rows whose ROW the query ``rows`` returns.

    The query reads BASE with the columns of the previous steps. A step that is ``by_set`` always has one, which also
    returns the SET of each row.
    """

    column: str
    rows: exp.Select | None = None


@dataclass(frozen=True)
class StructuralStep:
    """A column to add: true where a span is in the result of a structural operator on two sets.

    A step that is ``by_set`` relates spans of one SET only, whatever spans of others lie between them. Its column holds
    the list of the SETs in which a span is found, NULL where there is none.
    """

    column: str
    op: ast.SpansetOperator
    left: SpansetOperand
    right: SpansetOperand
    by_set: bool = False


def tree_query(spans: SpanInput) -> Compiled:
    """Build the query over the input ``spans`` whose result is the input for the table PLACED."""
    trace = exp.alias_(exp.func("hash", span_column(TRACE)), TRACE)
    own_id = exp.alias_(span_column("span_id"), ID)
    return replace(compile_spans([trace, own_id, *base_columns()]), inputs=(spans,))


def base_columns() -> list[exp.Expr]:
    """Return the columns from which a trace's tree is built.

    Ids are hashed to 64 bits, which takes half the time: with a hundred million spans, two have equal hashes with a
    probability of 1 in 4,000. A root has no PARENT_KEY.
    """
    trace, span, parent = (span_column(name) for name in (TRACE, "span_id", _PARENT_ID))
    parent_key = sql.case(sql.not_null(parent), exp.func("hash", trace.copy(), parent.copy()))
    return [
        exp.alias_(exp.func("hash", trace, span), KEY),
        exp.alias_(parent_key, PARENT_KEY),
        exp.alias_(span_column("kind"), KIND),
        exp.alias_(exp.column(ROW_ID, table=SPAN), ROW_ID),
        exp.alias_(span_column("start_time_unix_nano"), START),
        exp.alias_(span_column("duration_nano"), DURATION),
        exp.alias_(span_column("name"), NAME),
    ]
