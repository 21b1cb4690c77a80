"""OTLP's messages as ptars shall see them: what nests without end, or is looked at later, is left as bytes.

The field numbers are those of opentelemetry-proto 1.10, so the encoding is the same. What differs is the types:

* ``AnyValue`` is recursive, which Arrow cannot express: its ``array_value`` and ``kvlist_value`` are bytes.
* Resources, scopes, spans, events, links and attributes are bytes as well. Most of a batch's attributes repeat, and
  each different one is decoded once; and it is known how many of them there are before anything is made of them.
* Times are signed, as the span table has them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from ptars import HandlerPool

from spanlake.spans.arrays import Array, int32
from spanlake.spans.descriptors import message_types

_PACKAGE = "spanlake.wire"

_MESSAGES = {
    "Request": ((1, "resource_spans", "repeated ResourceSpans"),),
    "ResourceSpans": (
        (1, "resource", "optional bytes"),
        (2, "scope_spans", "repeated ScopeSpans"),
        (3, "schema_url", "string"),
    ),
    "ScopeSpans": ((1, "scope", "optional bytes"), (2, "spans", "repeated bytes"), (3, "schema_url", "string")),
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

_LONG = 4096


class WireError(ValueError):
    """Bytes that are not the message they should be; the text says what is wrong with them."""


def decode(message: str, payloads: Array | Sequence[bytes]) -> dict[str, Array]:
    """Decode messages of one type: an array a field, one row a message.

    A field of a message type and one with presence is NULL when absent, any other has its default then. ``payloads``
    holds no NULL. Raises WireError.
    """
    handler = _handlers().get_for_message(_types()[message])
    try:
        if isinstance(payloads, pa.Array):
            _refuse_deep(message, _long(payloads))
            batch = handler.array_to_record_batch(payloads)
        else:
            _refuse_deep(message, payloads)
            batch = handler.list_to_record_batch(list(payloads))
    except (ValueError, DecodeError) as error:
        raise WireError(_reason(error)) from error
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _refuse_deep(message: str, payloads: Iterable[bytes]) -> None:
    """Raise DecodeError if groups nest deeper than protobuf's own decoder allows, for ptars would exhaust the stack.

    Each level takes at least a byte, so that short payloads are safe unseen. No field is repeated as far as this
    decoder knows, so that it keeps but the last of each.
    """
    message_class = GetMessageClass(_types(is_singular=True)[message])
    for payload in payloads:
        message_class.FromString(payload)


def _long(payloads: Array) -> Iterable[bytes]:
    is_long: Array = pc.greater(pc.binary_length(payloads), int32(_LONG))
    return (payload.as_py() for payload in payloads.filter(is_long)) if is_long.true_count else ()


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or "not protobuf"


@cache
def _handlers() -> HandlerPool:
    return HandlerPool([_types()["Request"].file])


@cache
def _types(*, is_singular: bool = False) -> Mapping[str, Descriptor]:
    return message_types(_PACKAGE, _MESSAGES, is_singular=is_singular)
