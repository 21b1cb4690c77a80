"""The trees of traces as arrays: the row of every span's parent.

A question takes a few passes over them whatever their shape is: pointers to parents are made to point twice as far,
again and again, until they point beyond the roots, or have gone round every circle.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.compile.structure import DURATION, ID, KEY, KIND, NAME, PARENT_KEY, START, TRACE
from spanlake.spans.arrow import as_array, equals_last, int64, scatter
from spanlake.spans.parents import Spans, ends
from spanlake.traceql import ast

Array: TypeAlias = "pa.Array[Any]"  # one item a row
Mask: TypeAlias = "pa.Array[Any]"  # of booleans, without nulls


@dataclass(frozen=True)
class SpanTree:
    """The spans of some traces, whole, as a table with the columns that ``structure.base_columns`` makes.

    The rows of parents are looked up unless they are ``known_parents``.
    """

    spans: pa.Table
    known_parents: "Array | None" = None

    @cached_property
    def rows(self) -> Array:
        """The number of each row."""
        rows: Array = pa.arange(0, self.spans.num_rows)  # type: ignore[attr-defined]  # the stubs are older
        return rows

    def matching(self, op: ast.SpansetOperator, left: Mask, right: Mask) -> Mask:
        """Return for each span True where it is in the result of a structural operator on two sets."""
        assert op.relation is not None
        related = self.related(op.relation, left)
        found = pc.and_(right, pc.invert(related) if op.is_negated else related)
        if op.is_union:
            found = pc.or_(found, pc.and_(left, self.related(_INVERSE[op.relation], right)))
        return found

    def related(self, relation: ast.Relation, others: Mask) -> Mask:
        """Return for each span True where it stands in a relation to one of the others."""
        return _RELATIONS[relation](self, others)

    def among(self, rows: Array) -> Mask:
        """Return for each span True where its row is among the given ones, null being none."""
        return pc.is_in(self.rows, value_set=rows.drop_null())

    def children_of(self, others: Mask) -> Mask:
        """Return for each span True where its parent is one of the others."""
        return _at(others, self.parent)

    def parents_of(self, others: Mask) -> Mask:
        """Return for each span True where it is the parent of one of the others."""
        return self.among(self.parent.filter(others))

    def descendants_of(self, others: Mask) -> Mask:
        """True where a span descends from one of ``others``. In a circle every span descends from all others."""
        found = _at(others, self.parent)
        for ahead in self._ancestors():
            found = pc.or_(found, _at(found, ahead))
        return found if self._circles is None else pc.if_else(self._in_circle, self._others_in_circle(others), found)

    def ancestors_of(self, others: Mask) -> Mask:
        """Return for each span True where one of the others descends from it."""
        outside = others if self._circles is None else pc.and_not(others, self._in_circle)
        found = self.parents_of(outside)
        for ahead in self._ancestors():
            found = pc.or_(found, self.among(ahead.filter(found)))
        return found if self._circles is None else pc.or_(found, self._others_in_circle(others))

    def siblings_of(self, others: Mask) -> Mask:
        """True where another span in ``others`` has the same parent, or the same id of a parent that is not stored."""
        return self._another(self._siblings, others)

    def _another(self, groups: Array, others: Mask) -> Mask:
        """True where another span in ``others`` is in the span's group; a span without a group has none."""
        counted: Any = pc.value_counts(groups.filter(others).drop_null())
        place = pc.index_in(groups, value_set=counted.field("values"), skip_nulls=True)
        several = pc.subtract(filled(counted.field("counts").take(place), 0), others.cast(pa.int64()))
        found: Mask = pc.and_(pc.greater(several, int64(0)), groups.is_valid())
        return found

    # circles

    def _ancestors(self) -> Iterator[Array]:
        """Yield the row of the parent, of the ancestor two steps up, four, and so on, as far as there may be any."""
        ahead = self.parent
        for _ in range(self._doublings):
            if ahead.null_count == len(ahead):
                return
            yield ahead
            ahead = ahead.take(ahead)

    @cached_property
    def _circles(self) -> "Array | None":
        """A number for each circle of parents, null for a span in none; None where there are no circles."""
        ahead = self.parent
        for _ in range(self._doublings):
            if ahead.null_count == len(ahead):
                return None
            ahead = ahead.take(ahead)
        if ahead.null_count == len(ahead):
            return None
        least: Array = pc.if_else(self.among(ahead), self.rows, pa.scalar(None, pa.int64()))
        ahead = pc.if_else(least.is_valid(), self.parent, pa.scalar(None, pa.int64()))
        for _ in range(self._doublings):
            least, ahead = pc.min_element_wise(least, least.take(ahead)), ahead.take(ahead)
        return least

    @cached_property
    def _in_circle(self) -> Mask:
        assert self._circles is not None
        return self._circles.is_valid()

    def _others_in_circle(self, others: Mask) -> Mask:
        assert self._circles is not None
        return self._another(self._circles, others)

    # places in the trees below the roots

    @cached_property
    def _siblings(self) -> Array:
        """A number for all spans of one parent, stored or not; null of a root."""
        unknown = pc.if_else(self.parent.is_null(), self._column(PARENT_KEY), pa.scalar(None, pa.uint64()))
        if unknown.null_count == len(unknown):
            return self.parent
        numbers = pc.add(unknown.dictionary_encode().indices.cast(pa.int64()), int64(self.spans.num_rows))
        siblings: Array = pc.coalesce(self.parent, numbers)
        return siblings

    @cached_property
    def _reached(self) -> Mask:
        """True where a span is a root or descends from one."""
        return pc.or_(self._is_root, self.descendants_of(self._is_root))

    @cached_property
    def _lists(self) -> Array:
        """A number for all children of one parent, or all roots of one trace; null of a span below no root."""
        traces = self._column(TRACE).dictionary_encode().indices.cast(pa.int64())
        of_roots = pc.if_else(self._is_root, pc.subtract(int64(-1), traces), self.parent)
        lists: Array = pc.if_else(self._reached, of_roots, pa.scalar(None, pa.int64()))
        return lists

    @cached_property
    def _by_lists(self) -> Array:
        """The rows, those of siblings side by side in the order of their starts and ids."""
        table = pa.table({"lists": self._lists, "start": self._column(START), "id": self._column(ID)})
        order: Array = pc.sort_indices(table, [(name, "ascending") for name in table.column_names])
        return order.cast(pa.int64())

    @cached_property
    def nested_sets(self) -> tuple[Array, Array, Array]:
        """Left and right number of each span, and its parent's left one: see ``relation.PLACED``.

        The first root has 1, a first child one more than its parent. Any other has two more for each span of the trees
        of its earlier siblings.
        """
        order, sizes = self._by_lists, self._sizes
        families, counts = self._lists.take(order), sizes.take(order)
        before = pc.subtract(pc.cumulative_sum(counts), counts)
        goes_on = pa.concat_arrays([pa.array([False][: len(order)], pa.bool_()), filled(equals_last(families), True)])
        of_family = pc.fill_null_forward(pc.if_else(goes_on, pa.scalar(None, pa.int64()), before))
        steps = pc.add(pc.multiply(pc.subtract(before, of_family), int64(2)), int64(1))
        left = self._along_ancestors(scatter(steps, order, len(order)))
        right = pc.subtract(pc.add(left, pc.multiply(sizes, int64(2))), int64(1))
        left, right = (pc.if_else(self._reached, numbers, int64(0)) for numbers in (left, right))
        return left, right, pc.if_else(self._is_root, int64(-1), filled(left.take(self.parent), 0))

    @cached_property
    def _sizes(self) -> Array:
        """Numbers of the spans from each span downwards, itself among them.

        With each step the walk is twice as long: the spans less than n steps below a span, and those less than n below
        one that is n steps below it, are those less than 2 n below it.
        """
        sizes: Array = pa.repeat(int64(1), self.spans.num_rows)
        for ahead in self._reached_ancestors():
            below = pa.table({"above": ahead, "size": sizes}).filter(ahead.is_valid())
            sums = below.group_by("above", use_threads=False).aggregate([("size", "sum")])
            more = scatter(as_array(sums["size_sum"]), as_array(sums["above"]), len(sizes))
            sizes = pc.add(sizes, filled(more, 0))
        return sizes

    def _along_ancestors(self, values: Array) -> Array:
        """Return the sum of values from the root to each span."""
        for ahead in self._reached_ancestors():
            values = pc.add(values, filled(values.take(ahead), 0))
        return values

    def _reached_ancestors(self) -> Iterator[Array]:
        """Yield ancestors as ``_ancestors`` does, of spans below a root: there are no circles."""
        ahead: Array = pc.if_else(self._reached, self.parent, pa.scalar(None, pa.int64()))
        while ahead.null_count < len(ahead):
            yield ahead
            ahead = ahead.take(ahead)

    @cached_property
    def _is_root(self) -> Mask:
        return pc.is_null(self._column(PARENT_KEY))

    @cached_property
    def parent(self) -> Array:
        """The row of a span's parent, null where it has none."""
        if self.known_parents is not None:
            return self.known_parents
        spans = Spans(self._column(KEY), self._column(PARENT_KEY), self._column(KIND), self._ordering)
        parents: Array = spans.parents()
        return parents

    def _ordering(self) -> pa.Table:
        """Return the sort keys between spans that share an id: start, then end, then name."""
        start, duration = self._column(START), self._column(DURATION)
        return pa.table({"start": start, "end": ends(start, duration), "name": self._column(NAME)})

    @property
    def _doublings(self) -> int:
        """Count of pointer doublings after which every pointer is past its root, or in a circle."""
        return self.spans.num_rows.bit_length()

    def _column(self, name: str) -> Array:
        return as_array(self.spans[name])


_INVERSE = {
    ast.Relation.CHILD: ast.Relation.PARENT,
    ast.Relation.PARENT: ast.Relation.CHILD,
    ast.Relation.DESCENDANT: ast.Relation.ANCESTOR,
    ast.Relation.ANCESTOR: ast.Relation.DESCENDANT,
    ast.Relation.SIBLING: ast.Relation.SIBLING,
}
_RELATIONS: dict[ast.Relation, Callable[[SpanTree, Mask], Mask]] = {
    ast.Relation.CHILD: SpanTree.children_of,
    ast.Relation.PARENT: SpanTree.parents_of,
    ast.Relation.DESCENDANT: SpanTree.descendants_of,
    ast.Relation.ANCESTOR: SpanTree.ancestors_of,
    ast.Relation.SIBLING: SpanTree.siblings_of,
}


def _at(mask: Mask, rows: Array) -> Mask:
    """Return the mask at some rows, false where there is no row."""
    return filled(mask.take(rows), False)


def filled(values: Array, default: bool | int) -> Array:
    """Return a column with a default where it is null."""
    return pc.fill_null(values, pa.scalar(default, values.type))
