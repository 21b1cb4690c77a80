"""The unions ``&>>`` and ``&<<`` as Tempo makes them, which miss spans.

Tempo (``descendantOfUnion`` in its ``block_traceql.go``) walks through the descendants and the ancestors of a trace at
once, both in the order of the tree. Descendants that lie in each other make a chain, which ends with a leaf. They are
compared with one ancestor only: the outermost above both the chain and the leaf of the chain before, or else the first
one that the walk enters after that leaf. Of the ancestors, those above a leaf are found, but only the outermost of them
where it is above the next chain too. What no root leads to has no place in the tree and is met first.
"""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.family import Array, Family, Mask, filled

_TRACE = pa.scalar(1 << 33, pa.int64())  # positions in one trace
_HALF = pa.scalar(1 << 32, pa.int64())
_ONE, _TWO = pa.scalar(1, pa.int64()), pa.scalar(2, pa.int64())


def walked(family: Family, ancestors: Mask, descendants: Mask) -> Mask:
    """Which spans the union of some ancestors and their descendants, out of these two sets, has in Tempo."""
    both = pc.and_(family.in_traces_of(ancestors), family.in_traces_of(descendants))
    if not pc.any(both, min_count=0).as_py():
        return both
    rows = family.rows.filter(both)
    found = _Walk(family.within(both), ancestors.filter(both), descendants.filter(both)).found()
    return family.among(rows.filter(found))


class _Walk:
    """The walk through traces in which there are both."""

    def __init__(self, family: Family, ancestors: Mask, descendants: Mask) -> None:
        self._family = family
        self._ancestors = ancestors
        self._entered, self._left = _positions(family)
        self._spans = _sorted(family.rows.filter(descendants), self._entered)  # the descendants in order

    def found(self) -> Mask:
        """Whether a span is in the union."""
        tops = self._family.outermost(self._ancestors).take(self._spans)
        heads = pc.greater(self._of(self._entered), _before(self._of(self._left), -1))
        carried = pc.and_(heads, filled(pc.equal(tops, _before(tops, None)), False))
        ends, goes_on = _after(heads, True), _after(carried, False)
        leaves = self._family.among(self._spans.filter(pc.and_(ends, pc.invert(goes_on))))
        found = pa.concat_arrays([self._descendants(tops, heads, carried), tops.filter(pc.and_(ends, goes_on))])
        return pc.or_(self._family.among(found), pc.and_(self._ancestors, self._family.above(leaves)))

    def _descendants(self, tops: Array, heads: Mask, carried: Mask) -> Array:
        """Those of the descendants, in order, that lie below the ancestor which their chain is compared with."""
        compared = pc.if_else(carried, tops, self._next_ancestor()).filter(heads)
        chains = pc.subtract(pc.cumulative_sum(heads.cast(pa.int64())), _ONE)
        above = compared.take(chains)
        inside = pc.and_(
            pc.less(self._entered.take(above), self._of(self._entered)),
            pc.less(self._of(self._left), self._left.take(above)),
        )
        return self._spans.filter(filled(inside, False))

    def _next_ancestor(self) -> Array:
        """For each of the descendants, the first ancestor that is entered once the one before is left, if any."""
        traces = self._of(self._family.traces)
        is_same = filled(pc.equal(traces, _before(traces, None)), False)
        start = pc.subtract(pc.multiply(traces, _TRACE), _ONE)
        since = pc.if_else(is_same, _before(self._of(self._left), -1), start)
        return _first_after(since, self._family.rows.filter(self._ancestors), self._entered)

    def _of(self, column: Array) -> Array:
        return column.take(self._spans)


def _positions(family: Family) -> tuple[Array, Array]:
    """Where a walk through the trees enters and leaves each span: larger numbers for what comes later.

    Every step of the walk is known: from a span to its first child or out of it, and then to the next sibling or out of
    the parent. So how far it is to the end is found by looking twice as far ahead, again and again.
    """
    count = pa.scalar(len(family.rows), pa.int64())
    out = pc.add(family.rows, count)
    ahead = pa.concat_arrays(
        [
            pc.coalesce(family.first_child, out),
            pc.coalesce(family.next_sibling, pc.add(family.parent, count)),
        ]
    )
    to_end = pc.is_valid(ahead).cast(pa.int64())
    while ahead.null_count < len(ahead):
        to_end = pc.add(to_end, filled(to_end.take(ahead), 0))
        ahead = ahead.take(ahead)
    start = pc.multiply(family.traces, _TRACE)
    entered, left = (
        pc.if_else(family.reached, pc.add(start, pc.subtract(_HALF, part)), start)
        for part in (to_end.slice(0, len(out)), to_end.slice(len(out)))
    )
    return entered, left


def _first_after(points: Array, rows: Array, key: Array) -> Array:
    """For each point the one of the rows of the least key that is larger, null if there is none."""
    doubled = pc.multiply(pa.concat_arrays([key.take(rows), points]), _TWO)
    is_point = pa.concat_arrays([pa.repeat(pa.scalar(0, pa.int64()), len(rows)), pa.repeat(_ONE, len(points))])
    order = pc.array_sort_indices(pc.add(doubled, is_point))
    following = pc.fill_null_backward(pa.concat_arrays([rows, pa.nulls(len(points), pa.int64())]).take(order))
    places = pa.arange(len(rows), len(rows) + len(points)).cast(order.type)  # type: ignore[attr-defined]
    found: Array = following.take(pc.index_in(places, value_set=order))
    return found


def _sorted(rows: Array, key: Array) -> Array:
    return rows.take(pc.array_sort_indices(key.take(rows)))


def _before(column: Array, first: int | None) -> Array:
    """The value of the item before."""
    return pa.concat_arrays([pa.array([first], column.type), column.slice(0, len(column) - 1)])


def _after(mask: Mask, last: bool) -> Mask:
    return pa.concat_arrays([mask.slice(1), pa.array([last])])
