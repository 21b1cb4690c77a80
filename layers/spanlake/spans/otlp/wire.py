"""OTLP's messages as ptars sees them: parts that nest without bound, or are decoded later, are bytes.

The field numbers are those of opentelemetry-proto 1.10, so that the encoding is the same. The types differ:

- ``AnyValue`` is recursive, which Arrow cannot express: its ``array_value`` and ``kvlist_value`` are bytes.
- Resources, scopes, spans, events, links and attributes are bytes as well. Most attributes of a batch repeat, and each
  distinct one is decoded once; and their number is known before anything is allocated for them.
- Resources and scopes are repeated: protobuf's decoders merge the fields of several in one message.
- The scopes of OTLP before 0.16 are included; they had other names and the same fields.
- Times are signed, as in the span table.
"""

from collections.abc import Sequence
from functools import cache

from spanlake.spans.arrow import Array
from spanlake.spans.otlp.protobuf import Decoder, Messages

MESSAGES: Messages = {
    "Request": ((1, "resource_spans", "repeated ResourceSpans"),),
    "ResourceSpans": (
        (1, "resource", "repeated bytes"),
        (2, "scope_spans", "repeated ScopeSpans"),
        (3, "schema_url", "string"),
        (1000, "instrumentation_library_spans", "repeated ScopeSpans"),
    ),
    "ScopeSpans": ((1, "scope", "repeated bytes"), (2, "spans", "repeated bytes"), (3, "schema_url", "string")),
    "Resource": (
        (1, "attributes", "repeated bytes"),
        (2, "dropped_attributes_count", "uint32"),
        (3, "entity_refs", "repeated bytes"),
    ),
    "EntityRef": (
        (1, "schema_url", "string"),
        (2, "type", "string"),
        (3, "id_keys", "repeated string"),
        (4, "description_keys", "repeated string"),
    ),
    "Scope": (
        (1, "name", "string"),
        (2, "version", "string"),
        (3, "attributes", "repeated bytes"),
        (4, "dropped_attributes_count", "uint32"),
    ),
    "Span": (
        (1, "trace_id", "bytes"),
        (2, "span_id", "bytes"),
        (3, "trace_state", "string"),
        (4, "parent_span_id", "bytes"),
        (5, "name", "string"),
        (6, "kind", "int32"),
        (7, "start_time_unix_nano", "sfixed64"),
        (8, "end_time_unix_nano", "sfixed64"),
        (9, "attributes", "repeated bytes"),
        (10, "dropped_attributes_count", "uint32"),
        (11, "events", "repeated bytes"),
        (12, "dropped_events_count", "uint32"),
        (13, "links", "repeated bytes"),
        (14, "dropped_links_count", "uint32"),
        (15, "status", "Status"),
        (16, "flags", "fixed32"),
    ),
    "Status": ((2, "message", "string"), (3, "code", "int32")),
    "Event": (
        (1, "time_unix_nano", "sfixed64"),
        (2, "name", "string"),
        (3, "attributes", "repeated bytes"),
        (4, "dropped_attributes_count", "uint32"),
    ),
    "Link": (
        (1, "trace_id", "bytes"),
        (2, "span_id", "bytes"),
        (3, "trace_state", "string"),
        (4, "attributes", "repeated bytes"),
        (5, "dropped_attributes_count", "uint32"),
        (6, "flags", "fixed32"),
    ),
    "KeyValue": ((1, "key", "string"), (2, "value", "AnyValue")),
    "AnyValue": (
        (1, "string_value", "oneof string"),
        (2, "bool_value", "oneof bool"),
        (3, "int_value", "oneof int64"),
        (4, "double_value", "oneof double"),
        (5, "array_value", "oneof bytes"),
        (6, "kvlist_value", "oneof bytes"),
        (7, "bytes_value", "oneof bytes"),
        (8, "string_value_strindex", "oneof int32"),
    ),
    "ArrayValue": ((1, "values", "repeated bytes"),),
    "KeyValueList": ((1, "values", "repeated bytes"),),
}


def decode(message: str, payloads: Array | Sequence[bytes]) -> dict[str, Array]:
    """Decode messages of one type, as ``Decoder.decode`` does. Raises protobuf.WireError."""
    return _decoder().decode(message, payloads)


@cache
def _decoder() -> Decoder:
    return Decoder("spanlake.wire", MESSAGES)
