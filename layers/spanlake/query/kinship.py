"""Answers what the compiler asks about structure: which spans stand in a relation to others, and their places."""

import pyarrow as pa

from spanlake.query.duck import Session
from spanlake.query.family import Family, Mask
from spanlake.spans.arrays import as_array
from spanlake.traceql.relation import ARRIVAL, PLACED
from spanlake.traceql.structure import BASE, ROW, Operand, Structural


def relate(session: Session, base: pa.Table, steps: tuple[Structural, ...]) -> None:
    """Make the answer of a selection's ``base`` the session's table BASE, with all its columns."""
    base = base.combine_chunks()
    family = Family(base)
    base = base.append_column(ROW, family.rows)
    session.register(BASE, base)
    for step in steps:
        base = base.append_column(step.column, _answer(session, family, base, step))
        session.register(BASE, base)


def number(session: Session, tree: pa.Table) -> None:
    """Make the session's table PLACED of what ``structure.tree_query`` tells."""
    left, right, parent = Family(tree.combine_chunks()).nested_sets
    columns = {ARRIVAL: tree[ARRIVAL], "nested_left": left, "nested_right": right, "nested_parent": parent}
    session.register(PLACED, pa.table(columns))


def _answer(session: Session, family: Family, base: pa.Table, step: Structural) -> Mask:
    left, right = (_operand(session, family, base, operand) for operand in (step.left, step.right))
    return family.matching(step.op, left, right)


def _operand(session: Session, family: Family, base: pa.Table, operand: Operand) -> Mask:
    if operand.rows is None:
        return as_array(base[operand.column])
    return family.among(as_array(session.table(operand.rows, large=True)[ROW]))
