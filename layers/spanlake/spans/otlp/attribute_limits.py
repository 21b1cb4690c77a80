"""Limits on attributes of spans, events, links, resources and scopes: what is beyond is dropped or cut, and counted."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int32, numbers, scatter, where
from spanlake.spans.otlp.limits import Limits

_MOST_UINT32 = pa.scalar(2**32 - 1, pa.int64())


def limited(fields: dict[str, Array], limits: Limits) -> dict[str, Array]:
    """Return the decoded fields of messages without the attributes beyond the limit, which count as dropped.

    Raises limits.TooMuch.
    """
    lists, allowed = fields["attributes"], limits.attributes
    if len(lists.values) <= allowed:
        return fields
    limits.check("attributes", len(lists.values), smallest=8)
    lengths = pc.list_value_length(lists)
    most = pc.max(lengths).as_py()
    if most is None or most <= allowed:
        return fields
    cut = pc.max_element_wise(pc.subtract(lengths, int32(allowed)), int32(0)).cast(pa.int64())
    told = fields["dropped_attributes_count"]
    dropped = pc.min_element_wise(pc.add(told.cast(pa.int64()), cut), _MOST_UINT32)
    return fields | {
        "attributes": _first(lists, lengths, allowed),
        "dropped_attributes_count": dropped.cast(told.type),
    }


def _first(lists: Array, lengths: Array, allowed: int) -> Array:
    """Return the first attributes of each list."""
    kept = pc.min_element_wise(lengths, int32(allowed))
    ends = pc.cumulative_sum(kept.cast(pa.int32()))
    offsets: Array = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    owner = pc.list_parent_indices(lists)
    values = lists.flatten()
    within = pc.subtract(
        numbers(len(values)), pc.subtract(lists.offsets, lists.offsets[0]).take(owner).cast(pa.int64())
    )
    values = values.filter(pc.less(within, pa.scalar(allowed, pa.int64())))
    return pa.ListArray.from_arrays(offsets, values)


def long_rows(texts: Array, most: int) -> Array:
    """Return the rows of texts that are longer than ``most`` bytes."""
    if texts.get_total_buffer_size() <= most:  # all together
        return pa.array([], pa.int64())
    lengths: Array = pc.binary_length(texts)
    longest = pc.max(lengths).as_py()
    if longest is None or longest <= most:
        return pa.array([], pa.int64())
    return where(pc.greater(lengths, int32(most)))


_BROKEN_CHARACTER = r"(?:[\xC0-\xDF]|[\xE0-\xEF][\x80-\xBF]?|[\xF0-\xF7][\x80-\xBF]{0,2})\z"
"""Bytes at the end of a text that begin a character of UTF-8 and do not end it."""


def cut(texts: Array, rows: Array, most: int) -> Array:
    """Cut the texts in these rows to ``most`` bytes, and to whole characters."""
    if not len(rows):
        return texts
    short = pc.binary_slice(texts.take(rows).cast(pa.binary()), 0, most)
    whole = pc.replace_substring_regex(short, _BROKEN_CHARACTER, "").cast(texts.type)
    return pc.coalesce(scatter(whole, rows, len(texts)), texts)


_MOST_REFS, _LONGEST_REF = 64, 4096
"""Limits on the entity references of a resource, and on the size of one in bytes."""


def few_references(refs: Array) -> Array:
    """Leave out references beyond the limits."""
    if not len(refs.values):
        return refs
    longest = pc.max(pc.binary_length(refs.values)).as_py()
    if longest > _LONGEST_REF:
        is_long = pc.greater(pc.binary_length(refs.values), int32(_LONGEST_REF))
        refs = pa.ListArray.from_arrays(refs.offsets, pc.if_else(is_long, pa.scalar(b"", pa.binary()), refs.values))
    most = pc.max(pc.list_value_length(refs)).as_py()
    return pc.list_slice(refs, 0, _MOST_REFS) if most > _MOST_REFS else refs
