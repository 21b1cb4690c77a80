"""Sizes of spans as they were sent, each with its share of what it has in common with others.

They are those of Tempo's usage tracker: the message of the span, and the resource, the scopes and their schema URLs
divided among the spans of a ResourceSpans message.
"""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64, scatter
from spanlake.spans.otlp.envelope import scopes_of

_LENGTH_STEPS = (1 << 7, 1 << 14, 1 << 21, 1 << 28)
"""Sizes from which a length takes one byte more in protobuf."""
_SCOPE_BYTES = 2


def of_spans(by_request: Array) -> Array:
    """Return the bytes of each span (int64), given the decoded ResourceSpans of each request."""
    resource_spans = by_request.flatten()
    by_resource = scopes_of(resource_spans)
    scopes = by_resource.flatten()
    by_scope = scopes.field("spans")
    own = _encoded(by_scope.flatten())
    of_scope: Array = pc.list_parent_indices(by_resource)
    resource = of_scope.take(pc.list_parent_indices(by_scope))
    if not len(own):
        return own
    shared = pc.add(_common(resource_spans, "resource"), _sums(by_resource, _common(scopes, "scope", _SCOPE_BYTES)))
    counts = _sums(by_resource, pc.list_value_length(by_scope).cast(pa.int64()))
    each = pc.divide(shared, pc.max_element_wise(counts, int64(1)))
    over = pc.subtract(shared, pc.multiply(each, counts))
    first = pc.index_in(pc.unique(resource), value_set=resource)
    sizes = pc.add(own, each.take(resource))
    return pc.add(sizes, pc.fill_null(scatter(over.take(pc.unique(resource)), first, len(own)), 0))


def _common(containers: Array, message: str, least: int = 0) -> Array:
    """Return the bytes of the message and the schema URL in each container."""
    payloads = containers.field(message)
    urls = containers.field("schema_url")
    of_url = pc.if_else(pc.equal(pc.binary_length(urls), pa.scalar(0, pa.int32())), int64(0), _encoded(urls))
    return pc.add(pc.add(_sums(payloads, _encoded(payloads.flatten())), of_url), int64(least))


def _encoded(payloads: Array) -> Array:
    """Return the bytes of values as fields of a message: the tag, the length and the content."""
    lengths: Array = pc.binary_length(payloads).cast(pa.int64())
    total: Array = pc.add(lengths, int64(2))
    longest: int = pc.max(lengths).as_py() or 0
    for step in _LENGTH_STEPS:
        if longest >= step:
            total = pc.add(total, pc.greater_equal(lengths, int64(step)).cast(pa.int64()))
    return total


def _sums(lists: Array, values: Array) -> Array:
    """Return the sum of the values that belong to each list."""
    total: Array = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(values)])
    return pc.pairwise_diff(total.take(lists.offsets)).slice(1)
