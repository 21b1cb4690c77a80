"""The fixed columns of the span table."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans import ids as text_ids
from spanlake.spans.arrow import Array, int32

TRACE_ID, SPAN_ID = text_ids.TRACE_ID, text_ids.SPAN_ID
"""Lengths of ids in bytes."""


def padded(ids: Array, length: int) -> Array:
    """Pad short ids with zeros on the left; empty, overlong and NULL ids stay as they are."""
    lengths = pc.binary_length(ids)
    if pc.all(pc.equal(lengths, int32(length))).as_py():
        return ids
    zeros = pa.array([b"", *(bytes(length - given) for given in range(1, length))], pa.binary())
    is_short = pc.less(lengths, int32(length))
    nothing = pa.scalar(b"", pa.binary())
    return pc.binary_join_element_wise(zeros.take(pc.if_else(is_short, lengths, int32(0))), ids, nothing)


def parents(ids: Array) -> Array:
    """Pad the ids of parent spans. A root's is NULL; senders leave it empty, or zero as OpenCensus for Go does.

    An overlong id becomes NULL as well: a span can be kept without a parent.
    """
    given = padded(ids, SPAN_ID)
    is_none = pc.not_equal(pc.binary_length(given), int32(SPAN_ID))
    is_root = pc.or_(is_none, pc.equal(given, pa.scalar(bytes(SPAN_ID), pa.binary())))
    return pc.if_else(is_root, pa.scalar(None, pa.binary()), given)


ENTRY = pa.struct(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("string", pa.string()),
        pa.field("int", pa.int64()),
        pa.field("double", pa.float64()),
        pa.field("bool", pa.bool_()),
        pa.field("rest", pa.string()),  # the value as OTLP JSON, when none of the fields above holds it
    ]
)
"""An attribute of an event or a link: exactly one field besides the key is set."""

REST = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())]))
"""Attributes without a column; a value is OTLP JSON: ``{}`` for an empty value, ``null`` for a missing one."""

EVENTS = pa.list_(
    pa.struct(
        [
            pa.field("time_unix_nano", pa.int64()),
            pa.field("name", pa.string()),
            pa.field("dropped_attributes_count", pa.int64()),
            pa.field("attributes", pa.list_(ENTRY)),
        ]
    )
)
LINKS = pa.list_(
    pa.struct(
        [
            pa.field("trace_id", pa.binary()),  # of links, whose ids are kept as sent
            pa.field("span_id", pa.binary()),
            pa.field("trace_state", pa.string()),
            pa.field("flags", pa.int64()),
            pa.field("dropped_attributes_count", pa.int64()),
            pa.field("attributes", pa.list_(ENTRY)),
        ]
    )
)
ENTITY_REFS = pa.list_(
    pa.struct(
        [
            pa.field("schema_url", pa.string()),
            pa.field("type", pa.string()),
            pa.field("id_keys", pa.list_(pa.string())),
            pa.field("description_keys", pa.list_(pa.string())),
        ]
    )
)

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("trace_id", pa.binary()),  # 16 bytes, shorter ids padded with zeros on the left
    ("span_id", pa.binary()),  # 8 bytes, padded likewise
    ("parent_span_id", pa.binary()),  # 8 bytes, padded likewise; NULL for a root
    ("start_time_unix_nano", pa.int64()),
    ("duration_nano", pa.int64()),  # 0 without an end or with an end before the start; start + duration fits int64
    ("name", pa.string()),
    ("kind", pa.int32()),  # OTLP's number, or one that OTLP does not define
    ("status_code", pa.int32()),  # NULL when the span has no Status
    ("status_message", pa.string()),  # NULL when the span has no Status
    ("trace_state", pa.string()),
    ("flags", pa.int64()),
    ("dropped_attributes_count", pa.int64()),
    ("dropped_events_count", pa.int64()),
    ("dropped_links_count", pa.int64()),
    ("service_name", pa.string()),  # copy of the resource's service.name if that is a string
    ("resource_id", pa.int64()),  # equal for equal resources (schema URL included), in every process
    ("scope_id", pa.int64()),  # equal for equal scopes (schema URL included), in every process
    ("scope_name", pa.string()),  # NULL when there is no InstrumentationScope
    ("scope_version", pa.string()),  # NULL when there is no InstrumentationScope
    ("resource_schema_url", pa.string()),
    ("scope_schema_url", pa.string()),
    ("resource_dropped_attributes_count", pa.int64()),  # NULL when there is no Resource
    ("scope_dropped_attributes_count", pa.int64()),  # NULL when there is no InstrumentationScope
    ("resource_entity_refs", ENTITY_REFS),  # NULL when there are none
    ("events", EVENTS),  # NULL when there are none
    ("links", LINKS),  # NULL when there are none
    ("resource_rest", REST),  # NULL when there are none
    ("span_rest", REST),  # NULL when there are none
    ("scope_rest", REST),  # NULL when there are none
    ("end_time_unix_nano", pa.int64()),  # the end that was sent; NULL when it is start + duration
]
FIXED = pa.schema(_COLUMNS)
OPTIONAL = frozenset({"end_time_unix_nano"} | {name for name, type_ in _COLUMNS if isinstance(type_, pa.ListType)})
"""The fixed columns that a block lacks when none of its spans has a value in them."""
