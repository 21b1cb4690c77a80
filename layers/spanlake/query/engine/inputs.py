"""Runs compiled queries: binds their inputs to the rows of a scan, or of a table."""

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile.fields import SPAN, TREE
from spanlake.query.compile.memory_table import bind_rows
from spanlake.query.compile.spans import (
    OF_TIES,
    PLACED,
    ROW_ID,
    SPANS,
    TIES,
    Compiled,
    Input,
    NestedSetInput,
    SpanInput,
    define_first,
)
from spanlake.query.compile.structure import BASE, tree_query
from spanlake.query.engine.base import Scan
from spanlake.query.engine.session import Session
from spanlake.query.engine.structure import evaluate, number_nested_sets, number_nested_sets_of
from spanlake.query.limits import LimitExceeded
from spanlake.store.blocks.trace_columns import parent_rows

_CANDIDATES = "candidates"


def run(session: Session, compiled: Compiled, spans: Scan | pa.Table, *, limit: int | None = None) -> pa.Table:
    """Run a compiled query over spans, for ``limit`` rows at most. Raises LimitExceeded."""
    query = bound(session, compiled, spans)
    return session.run(query if limit is None else query.limit(limit, copy=False), outputs=compiled.outputs)


def bound(session: Session, compiled: Compiled, spans: Scan | pa.Table) -> exp.Select:
    """Return the SQL of a compiled query with its inputs: blocks are read by it, other rows are part of it."""
    query = compiled.sql.copy()
    if isinstance(spans, pa.Table) and any(isinstance(one, NestedSetInput) for one in compiled.inputs):
        spans = _with_nested_sets(query, spans)
    for one in compiled.inputs:
        _bind(session, query, one, spans)
    return query


def _with_nested_sets(query: exp.Select, spans: pa.Table) -> pa.Table:
    """Read nested set numbers from columns beside those of the spans, which saves a join; returns the spans with them.

    The spans are those of whole traces.
    """
    for select in query.find_all(exp.Select):
        joins = select.args.get("joins") or []
        others = [join for join in joins if join.this.name != PLACED]
        if len(others) < len(joins):
            select.set("joins", others)
            for column in select.find_all(exp.Column):
                if column.table == TREE:
                    column.set("table", exp.to_identifier(SPAN))
    placed = number_nested_sets_of(spans).drop_columns([ROW_ID])
    return pa.table({name: table[name] for table in (spans, placed) for name in table.column_names})


def _bind(session: Session, query: exp.Select, one: Input, spans: Scan | pa.Table) -> None:
    match one:
        case SpanInput():
            _define_spans(session, query, one, spans)
        case NestedSetInput() if isinstance(spans, pa.Table):  # its numbers are among the columns
            pass
        case NestedSetInput():
            bind_rows(query, {PLACED: number_nested_sets(_fetched(session, tree_query(one.spans), spans))})
        case _:
            bind_rows(query, {BASE: evaluate(session, _fetched(session, one.base, spans), one.steps)})


def _define_spans(session: Session, query: exp.Select, one: SpanInput, spans: Scan | pa.Table) -> None:
    if isinstance(spans, pa.Table):
        bind_rows(query, {SPANS: spans})
        _bind_ties(query, spans)
        return
    table = session.engine.relation(spans, one.columns, row_id=one.row_id)
    if one.candidates is None:
        define_first(query, SPANS, table)
        return
    ids = exp.select(exp.column("trace_id")).from_(_CANDIDATES, copy=False).subquery(copy=False)
    judged = exp.select(exp.Star()).from_(table.subquery("every", copy=False), copy=False)
    judged.where(exp.In(this=exp.column("trace_id"), query=ids), copy=False)
    define_first(query, SPANS, judged)
    define_first(query, _CANDIDATES, bound(session, one.candidates, spans))


def _bind_ties(query: exp.Select, spans: pa.Table) -> None:
    """Find parents in Arrow where a query needs them: of a few traces it takes a quarter of the time of SQL."""
    defined = [table for with_ in query.find_all(exp.With) for table in with_.expressions if table.alias in OF_TIES]
    if not defined:
        return
    for table in defined:
        table.pop()
    for with_ in list(query.find_all(exp.With)):
        if not with_.expressions:
            with_.pop()
    rows, parents = spans[ROW_ID], parent_rows(spans)
    ties = pa.table({"child": rows, "parent": rows.take(parents)})
    bind_rows(query, {TIES: ties.filter(parents.is_valid())})


def _fetched(session: Session, compiled: Compiled, spans: Scan | pa.Table) -> pa.Table:
    """Fetch the spans of trees at once. Raises LimitExceeded for more than there is memory for."""
    most = session.limits.memory_bytes // session.policy.tree_bytes
    query = bound(session, compiled, spans).limit(most + 1, copy=False)
    found = session.run(query, large=not isinstance(spans, pa.Table))
    if found.num_rows > most:
        raise LimitExceeded(
            f"the query relates more than {most} spans to each other: ask for a shorter time range or narrower "
            "filters, or raise --query-memory"
        )
    return found
