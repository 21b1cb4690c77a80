"""Zipkin's shared spans: the two sides of a call have one id, which a trace that is read must not have.

The rule is Tempo's: the server's span gets the lowest id that is free, the client's span becomes its parent, and what
the server's side called comes under the server's span.
"""

from collections.abc import Iterator
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.ids import SPAN_ID

_SERVER, _CLIENT = 2, 3


def told_apart(spans: pa.Table) -> pa.Table:
    """Give ids of their own to server spans that share one with a client span; other equal ids stay."""
    if pc.count_distinct(spans["span_id"]).as_py() == spans.num_rows:
        return spans
    ids, parents, kinds = (spans[name].to_pylist() for name in ("span_id", "parent_span_id", "kind"))
    called = {id_ for id_, kind in zip(ids, kinds, strict=True) if kind == _CLIENT}
    servers = [row for row, (id_, kind) in enumerate(zip(ids, kinds, strict=True)) if kind == _SERVER and id_ in called]
    if not servers:
        return spans
    taken = {id_ for id_ in ids if id_ is not None}
    fresh = dict(zip(servers, _free(taken), strict=False))
    served = {ids[row]: id_ for row, id_ in reversed(fresh.items())}
    parents = [ids[row] if row in fresh else served.get(parent, parent) for row, parent in enumerate(parents)]
    ids = [fresh.get(row, id_) for row, id_ in enumerate(ids)]
    return _with(_with(spans, "span_id", ids), "parent_span_id", parents)


def _free(taken: set[bytes]) -> Iterator[bytes]:
    """Ids that no span has, from 1 up."""
    ids = (number.to_bytes(SPAN_ID) for number in count(1))
    return (id_ for id_ in ids if id_ not in taken)


def _with(spans: pa.Table, name: str, values: list[bytes | None]) -> pa.Table:
    index = spans.schema.get_field_index(name)
    field = spans.schema.field(index)
    return spans.set_column(index, field, pa.array(values, field.type))
