"""Resolves the parent of each span by ids."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64, numbers

_SERVER, _CLIENT = 2, 3


@dataclass(frozen=True)
class Spans:
    """Spans of complete traces: keys that identify spans, and columns that decide between spans with equal keys.

    ``parent_keys`` are NULL for roots. ``ordering`` gives the columns by which spans with equal keys are ordered.
    """

    keys: Array
    parent_keys: Array
    kinds: Array
    ordering: Callable[[], pa.Table]

    def parents(self) -> Array:
        """Return the row of each span's parent (int64), NULL where it has none.

        Clients and servers of Zipkin share ids. Of several spans with the parent's key, the parent of a server span is
        the client; the parent of any other span is the server. Where that does not decide, the first in order is the
        parent. No span is its own parent.
        """
        count = len(self.keys)
        numbered = pc.dictionary_encode(pa.concat_arrays([self.keys, self.parent_keys])).indices
        own = numbers(count)
        if not count or pc.max(numbered.slice(0, count)).as_py() == count - 1:  # every key is the first of its kind
            first = numbered.slice(count).cast(pa.int64())
            is_parent = pc.and_(pc.less(first, int64(count)), pc.not_equal(first, own))
            return pc.if_else(is_parent, first, pa.scalar(None, pa.int64()))
        return self._chosen(own)

    def _chosen(self, own: Array) -> Array:
        order = self._order()
        found = self._best(order)
        is_own = pc.fill_null(pc.equal(found, own), pa.scalar(False))
        if not pc.any(is_own).as_py():
            return found
        rows = own.filter(is_own)
        others = order.filter(pc.invert(pc.is_in(order, value_set=rows)))
        second = self._best(others)  # a span that would be its own parent takes another one with the key
        return pc.if_else(is_own, second, found)

    def _best(self, order: Array) -> Array:
        of_clients, of_servers = (self._first(order, kind) for kind in (_CLIENT, _SERVER))
        preferred = pc.if_else(pc.equal(self.kinds, pa.scalar(_SERVER, self.kinds.type)), of_clients, of_servers)
        return pc.coalesce(preferred, self._first(order, None))

    def _first(self, order: Array, kind: int | None) -> Array:
        """Return the first row, in an order of rows, that has the key of each span's parent and is of this kind."""
        if kind is not None:
            order = order.filter(pc.equal(self.kinds.take(order), pa.scalar(kind, self.kinds.type)))
        return order.take(pc.index_in(self.parent_keys, value_set=self.keys.take(order), skip_nulls=True))

    def _order(self) -> Array:
        table = self.ordering()
        order: Array = pc.sort_indices(table, [(name, "ascending") for name in table.column_names])
        return order.cast(pa.int64())


def ends(starts: Array, durations: Array) -> Array:
    """Return the ends of spans; a span with a negative duration ends when it starts."""
    return pc.add(starts, pc.max_element_wise(durations, int64(0)))
