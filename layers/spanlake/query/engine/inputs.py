"""Runs compiled queries: binds their inputs to the rows of a scan or of a table, and evaluates structural steps."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile.fields import SPAN, TREE
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
from spanlake.query.compile.sql import bind_rows
from spanlake.query.compile.structure import (
    BASE,
    ID,
    PARENT_KEY,
    ROW,
    SET,
    START,
    TRACE,
    SpansetOperand,
    StructuralStep,
    tree_query,
)
from spanlake.query.engine.base import Scan
from spanlake.query.engine.session import Session
from spanlake.query.engine.span_tree import Mask, SpanTree
from spanlake.query.limits import LimitExceeded
from spanlake.spans.arrow import Array, as_array
from spanlake.store.blocks.trace_columns import parent_rows

_STORED = {TRACE: "trace_id", ID: "span_id", PARENT_KEY: "parent_span_id", START: "start_time_unix_nano"}
_PAIRS = pa.schema([(ROW, pa.int64()), (SET, pa.uint64())])
_MOST_IN_SETS = 100_000_000  # spans times sets, which take some 10 s


def evaluate(session: Session, base: pa.Table, steps: tuple[StructuralStep, ...]) -> pa.Table:
    """Return the table BASE: the answer of a selection's ``base``, with a ROW and a column for each of the steps."""
    base = base.combine_chunks()
    family = SpanTree(base)
    base = base.append_column(ROW, family.rows)
    for step in steps:
        base = base.append_column(step.column, _answer(session, family, base, step))
    return base


def number_nested_sets(tree: pa.Table) -> pa.Table:
    """Return the table PLACED, given the answer of ``structure.tree_query``."""
    return _placed(SpanTree(tree.combine_chunks()), tree)


def number_nested_sets_of(spans: pa.Table) -> pa.Table:
    """Return the table PLACED of the spans of some traces, given whole: of few that takes less time than a query."""
    tree = spans.select([*_STORED.values()]).rename_columns([*_STORED]).combine_chunks()
    return _placed(SpanTree(tree, parent_rows(spans)), spans)


def _placed(tree: SpanTree, spans: pa.Table) -> pa.Table:
    left, right, parent = tree.nested_sets
    return pa.table({ROW_ID: spans[ROW_ID], "nested_left": left, "nested_right": right, "nested_parent": parent})


def _answer(session: Session, family: SpanTree, base: pa.Table, step: StructuralStep) -> Array:
    if step.by_set:
        return _answer_by_set(session, family, base, step)
    left, right = (_operand(session, family, base, operand) for operand in (step.left, step.right))
    return family.matching(step.op, left, right)


def _answer_by_set(session: Session, family: SpanTree, base: pa.Table, step: StructuralStep) -> Array:
    """Return the sets in which each span is found, a list or null. Raises LimitExceeded."""
    left, right = (_rows(session, base, operand).cast(_PAIRS) for operand in (step.left, step.right))
    sets = pc.unique(pa.concat_tables([left, right])[SET])
    if len(sets) * len(family.rows) > _MOST_IN_SETS:
        raise LimitExceeded(
            f"the query relates {len(family.rows)} spans in {len(sets)} groups: ask for a shorter time range or "
            "narrower filters, or group by fewer values"
        )
    found = [_found_in(session, family, step, one, left, right) for one in sets]
    pairs = pa.concat_tables([_PAIRS.empty_table(), *found]).group_by(ROW).aggregate([(SET, "list")])
    at = pc.index_in(family.rows, value_set=as_array(pairs[ROW]))
    return as_array(pairs[f"{SET}_list"]).take(at)


def _found_in(
    session: Session, family: SpanTree, step: StructuralStep, one: Any, left: pa.Table, right: pa.Table
) -> pa.Table:
    """Return the spans that the operator finds in one of the sets."""
    session.check()
    masks = (family.among(as_array(side.filter(pc.equal(side[SET], one))[ROW])) for side in (left, right))
    rows = family.rows.filter(family.matching(step.op, *masks))
    return pa.table({ROW: rows, SET: pa.repeat(one, len(rows))}, schema=_PAIRS)


def _operand(session: Session, family: SpanTree, base: pa.Table, operand: SpansetOperand) -> Mask:
    if operand.rows is None:
        return as_array(base[operand.column])
    return family.among(as_array(_rows(session, base, operand)[ROW]))


def _rows(session: Session, base: pa.Table, operand: SpansetOperand) -> pa.Table:
    """Run the query of an operand over the columns of the previous steps."""
    assert operand.rows is not None
    return session.run(bind_rows(operand.rows.copy(), {BASE: base}), large=True)


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
