"""The trees of traces, and which spans in them stand in a relation to others.

Trees are arrays: the row of every span's parent. A question takes a few passes over them whatever their shape is:
pointers to parents are made to point twice as far, again and again, until they point beyond the roots.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.duck import Session
from spanlake.traceql.relation import ARRIVAL
from spanlake.traceql.structure import BASE, KEY, KIND, PARENT_KEY, ROW, TRACE, Operand, Step, Unfiltered
from spanlake.traceql.tree import Kind, Relation, SpansetOperator

Array: TypeAlias = "pa.Array[Any]"  # one item a row
Mask: TypeAlias = "pa.Array[Any]"  # of booleans, without nulls


def relate(session: Session, base: pa.Table, steps: tuple[Step, ...]) -> None:
    """Make the answer of a selection's ``base`` the session's table BASE, with all its columns."""
    base = base.combine_chunks()
    family = Family(base)
    base = base.append_column(ROW, family.rows)
    session.register(BASE, base)
    for step in steps:
        base = base.append_column(step.column, _answer(session, family, base, step))
        session.register(BASE, base)


def _answer(session: Session, family: "Family", base: pa.Table, step: Step) -> Mask:
    if isinstance(step, Unfiltered):
        return pc.or_(family.reached, _array(base[step.met]))
    left, right = (_operand(session, family, base, operand) for operand in (step.left, step.right))
    return family.matching(step.op, left, right)


def _operand(session: Session, family: "Family", base: pa.Table, operand: Operand) -> Mask:
    if operand.rows is None:
        return _array(base[operand.column])
    return family.among(_array(session.table(operand.rows, large=True)[ROW]))


@dataclass(frozen=True)
class Family:
    """The spans of some traces, whole, as a table with the columns that ``structure.base_columns`` makes."""

    spans: pa.Table

    @cached_property
    def rows(self) -> Array:
        """The number of each row."""
        rows: Array = pa.arange(0, self.spans.num_rows)  # type: ignore[attr-defined]  # the stubs are older
        return rows

    @cached_property
    def reached(self) -> Mask:
        """Whether a root leads to the span."""
        reached, ahead = self._is_root, self._owner
        for _ in range(self._doublings):
            if ahead.null_count == len(ahead):
                break
            reached, ahead = pc.or_(reached, _at(reached, ahead)), ahead.take(ahead)
        return reached

    def matching(self, op: SpansetOperator, left: Mask, right: Mask) -> Mask:
        """Whether a span is in the set that a structural operator makes of two others."""
        assert op.relation is not None
        related = self.related(op.relation, left)
        found = pc.and_(right, pc.invert(related) if op.is_negated else related)
        if op.is_union:
            found = pc.or_(found, pc.and_(left, self.related(_INVERSE[op.relation], right)))
        return found

    def related(self, relation: Relation, others: Mask) -> Mask:
        """Whether a span stands in a relation to one of the others."""
        return pc.and_(self.reached, _RELATIONS[relation](self, others))

    def among(self, rows: Array) -> Mask:
        """Whether a span's row is one of these, null being none."""
        return pc.is_in(self.rows, value_set=rows.drop_null())

    def child_of(self, others: Mask) -> Mask:
        """Whether the parent of a span is one of the others."""
        return _at(others, self._parent)

    def parent_of(self, others: Mask) -> Mask:
        """Whether one of the others has the span as its parent."""
        return self.among(self._parent.filter(others))

    def below(self, others: Mask) -> Mask:
        """Whether one of the others is above a span."""
        found, ahead = _at(others, self._parent), self._parent
        while ahead.null_count < len(ahead):
            found, ahead = pc.or_(found, _at(found, ahead)), ahead.take(ahead)
        return found

    def above(self, others: Mask) -> Mask:
        """Whether one of the others is below a span."""
        found, ahead = self.parent_of(others), self._parent
        while ahead.null_count < len(ahead):
            found, ahead = pc.or_(found, self.among(ahead.filter(found))), ahead.take(ahead)
        return found

    def beside(self, others: Mask) -> Mask:
        """Whether another of the others has the span's parent; the roots of a trace are siblings."""
        families: Any = pc.value_counts(self._siblings.filter(others))
        others_there = _filled(families.field("counts").take(pc.index_in(self._siblings, families.field("values"))), 0)
        several: Mask = pc.greater(pc.subtract(others_there, others.cast(pa.int64())), pa.scalar(0, pa.int64()))
        return several

    @cached_property
    def _siblings(self) -> Array:
        """A number for all spans of one parent, or all roots of one trace."""
        traces = self._column(TRACE).dictionary_encode().indices.cast(pa.int64())
        families: Array = pc.if_else(self._is_root, pc.subtract(pa.scalar(-1, pa.int64()), traces), self._parent)
        return families

    @cached_property
    def _parent(self) -> Array:
        """The row of a span's parent, null where it has none or no root leads to it: there are no circles in it."""
        parent: Array = pc.if_else(self.reached, self._owner, pa.scalar(None, pa.int64()))
        return parent

    @cached_property
    def _is_root(self) -> Mask:
        return pc.is_null(self._column(PARENT_KEY))

    @cached_property
    def _owner(self) -> Array:
        """The row of the span that has the id of a span's parent.

        Several may have it. As in Tempo (``nested_set_model.go``) a server's parent then is a client, as Zipkin's
        clients and servers share ids, and any other's a server. Among equals it is the one that arrived first.
        """
        keys, wanted = self._column(KEY), self._column(PARENT_KEY)
        if pc.count_distinct(keys).as_py() == len(keys):
            return pc.index_in(wanted, value_set=keys).cast(pa.int64())
        order = pc.array_sort_indices(self._column(ARRIVAL)).cast(pa.int64())
        of_clients, of_servers = (self._first(order, kind) for kind in (Kind.CLIENT, Kind.SERVER))
        preferred = pc.if_else(_equal(self._column(KIND), Kind.SERVER), of_clients, of_servers)
        return pc.coalesce(preferred, self._first(order))

    def _first(self, order: Array, kind: Kind | None = None) -> Array:
        """The first row, in an order of rows, of a span of this kind that has the id of each span's parent."""
        if kind is not None:
            order = order.filter(_equal(self._column(KIND).take(order), kind))
        return order.take(pc.index_in(self._column(PARENT_KEY), value_set=self._column(KEY).take(order)))

    @property
    def _doublings(self) -> int:
        """How often pointers must be doubled to lead beyond the roots, unless they lead in a circle."""
        return self.spans.num_rows.bit_length()

    def _column(self, name: str) -> Array:
        return _array(self.spans[name])


_INVERSE = {
    Relation.CHILD: Relation.PARENT,
    Relation.PARENT: Relation.CHILD,
    Relation.DESCENDANT: Relation.ANCESTOR,
    Relation.ANCESTOR: Relation.DESCENDANT,
    Relation.SIBLING: Relation.SIBLING,
}
_RELATIONS: dict[Relation, Callable[[Family, Mask], Mask]] = {
    Relation.CHILD: Family.child_of,
    Relation.PARENT: Family.parent_of,
    Relation.DESCENDANT: Family.below,
    Relation.ANCESTOR: Family.above,
    Relation.SIBLING: Family.beside,
}


def _array(column: "pa.ChunkedArray[Any]") -> Array:
    """A column in one piece."""
    pieces = column.chunks or [pa.array([], column.type)]
    return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)


def _at(mask: Mask, rows: Array) -> Mask:
    """The mask at some rows, false where there is no row."""
    return _filled(mask.take(rows), False)


def _filled(values: Array, default: bool | int) -> Array:
    return pc.fill_null(values, pa.scalar(default, values.type))


def _equal(kinds: Array, kind: Kind) -> Mask:
    return pc.equal(kinds, pa.scalar(int(kind), kinds.type))
