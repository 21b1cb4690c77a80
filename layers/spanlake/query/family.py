"""The trees of traces as arrays: the row of every span's parent.

A question takes a few passes over them whatever their shape is: pointers to parents are made to point twice as far,
again and again, until they point beyond the roots.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrays import as_array, equals_last, int64, place
from spanlake.traceql.relation import ARRIVAL
from spanlake.traceql.structure import KEY, KIND, PARENT_KEY, TRACE
from spanlake.traceql.tree import Kind, Relation, SpansetOperator

Array: TypeAlias = "pa.Array[Any]"  # one item a row
Mask: TypeAlias = "pa.Array[Any]"  # of booleans, without nulls


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
        return _at(others, self.parent)

    def parent_of(self, others: Mask) -> Mask:
        """Whether one of the others has the span as its parent."""
        return self.among(self.parent.filter(others))

    def below(self, others: Mask) -> Mask:
        """Whether one of the others is above a span."""
        found, ahead = _at(others, self.parent), self.parent
        while ahead.null_count < len(ahead):
            found, ahead = pc.or_(found, _at(found, ahead)), ahead.take(ahead)
        return found

    def above(self, others: Mask) -> Mask:
        """Whether one of the others is below a span."""
        found, ahead = self.parent_of(others), self.parent
        while ahead.null_count < len(ahead):
            found, ahead = pc.or_(found, self.among(ahead.filter(found))), ahead.take(ahead)
        return found

    def beside(self, others: Mask) -> Mask:
        """Whether another of the others has the span's parent; the roots of a trace are siblings."""
        families: Any = pc.value_counts(self.siblings.filter(others))
        others_there = filled(families.field("counts").take(pc.index_in(self.siblings, families.field("values"))), 0)
        several: Mask = pc.greater(pc.subtract(others_there, others.cast(pa.int64())), pa.scalar(0, pa.int64()))
        return several

    # what the walks along these trees are told from

    @cached_property
    def traces(self) -> Array:
        """A number for each trace, from 0."""
        traces: Array = self._column(TRACE).dictionary_encode().indices.cast(pa.int64())
        return traces

    @cached_property
    def siblings(self) -> Array:
        """A number for all spans of one parent, or all roots of one trace, null where no root leads to a span."""
        families: Array = pc.if_else(self._is_root, pc.subtract(pa.scalar(-1, pa.int64()), self.traces), self.parent)
        return families

    @cached_property
    def first_child(self) -> Array:
        """The row of the first of a span's children to arrive, null where there is none."""
        order = self._by_siblings
        first: Array = order.take(pc.index_in(self.rows, value_set=self.siblings.take(order)))
        return first

    @cached_property
    def next_sibling(self) -> Array:
        """The row of the next of a span's siblings to arrive, null where there is none."""
        order = self._by_siblings
        following = pa.concat_arrays([order.slice(1), pa.array([None], pa.int64())])
        families = self.siblings.take(order)
        is_next = pc.equal(families, self.siblings.take(following))
        following = pc.if_else(is_next, following, pa.scalar(None, pa.int64()))
        found: Array = following.take(pc.index_in(self.rows, value_set=order))
        return found

    @cached_property
    def _by_siblings(self) -> Array:
        """The rows, those of siblings side by side as they arrived."""
        table = pa.table({"siblings": self.siblings, "arrival": self._column(ARRIVAL)})
        order: Array = pc.sort_indices(table, [("siblings", "ascending"), ("arrival", "ascending")])
        return order.cast(pa.int64())

    @cached_property
    def nested_sets(self) -> tuple[Array, Array, Array]:
        """Left and right number of each span, and its parent's left one: see ``relation.PLACED``.

        The first root has 1, a first child one more than its parent. Any other has two more for each span of the trees
        of its earlier siblings.
        """
        order, sizes = self._by_siblings, self._sizes
        families, counts = self.siblings.take(order), sizes.take(order)
        before = pc.subtract(pc.cumulative_sum(counts), counts)
        goes_on = pa.concat_arrays([pa.array([False][: len(order)], pa.bool_()), filled(equals_last(families), True)])
        of_family = pc.fill_null_forward(pc.if_else(goes_on, pa.scalar(None, pa.int64()), before))
        steps = pc.add(pc.multiply(pc.subtract(before, of_family), int64(2)), int64(1))
        left = self._along_ancestors(place(steps, order, len(order)))
        right = pc.subtract(pc.add(left, pc.multiply(sizes, int64(2))), int64(1))
        left, right = (pc.if_else(self.reached, numbers, int64(0)) for numbers in (left, right))
        return left, right, pc.if_else(self._is_root, int64(-1), filled(left.take(self.parent), 0))

    @cached_property
    def _sizes(self) -> Array:
        """How many spans there are from a span downwards, itself among them: those less than so many steps below it,
        and those less than so many below one that is as many steps below it."""
        sizes: Array = pa.repeat(int64(1), self.spans.num_rows)
        ahead = self.parent
        while ahead.null_count < len(ahead):
            below = pa.table({"above": ahead, "size": sizes}).filter(ahead.is_valid())
            sums = below.group_by("above", use_threads=False).aggregate([("size", "sum")])
            more = place(as_array(sums["size_sum"]), as_array(sums["above"]), len(sizes))
            sizes, ahead = pc.add(sizes, filled(more, 0)), ahead.take(ahead)
        return sizes

    def _along_ancestors(self, values: Array) -> Array:
        """The sum of values from the root to each span."""
        ahead = self.parent
        while ahead.null_count < len(ahead):
            values, ahead = pc.add(values, filled(values.take(ahead), 0)), ahead.take(ahead)
        return values

    def outermost(self, others: Mask) -> Array:
        """The row of the one of the others that is farthest above a span, null where none is."""
        found: Array = pc.if_else(_at(others, self.parent), self.parent, pa.scalar(None, pa.int64()))
        ahead = self.parent
        while ahead.null_count < len(ahead):
            found, ahead = pc.coalesce(found.take(ahead), found), ahead.take(ahead)
        return found

    def in_traces_of(self, others: Mask) -> Mask:
        """Whether one of the others is in a span's trace."""
        return pc.is_in(self.traces, value_set=self.traces.filter(others))

    def within(self, chosen: Mask) -> "Family":
        """Some of the traces, whole."""
        return Family(self.spans.filter(chosen).combine_chunks())

    @cached_property
    def parent(self) -> Array:
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
        with ThreadPoolExecutor(1) as beside:
            distinct = beside.submit(pc.unique, keys)
            first = pc.index_in(wanted, value_set=keys)
        if len(distinct.result()) == len(keys):
            return first.cast(pa.int64())
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
        return as_array(self.spans[name])


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


def _at(mask: Mask, rows: Array) -> Mask:
    """The mask at some rows, false where there is no row."""
    return filled(mask.take(rows), False)


def filled(values: Array, default: bool | int) -> Array:
    """A column with a default where it is null."""
    return pc.fill_null(values, pa.scalar(default, values.type))


def _equal(kinds: Array, kind: Kind) -> Mask:
    return pc.equal(kinds, pa.scalar(int(kind), kinds.type))
