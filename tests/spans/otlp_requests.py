"""Arbitrary OTLP, and the normal form in which what went in is compared with what comes out."""

import math
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    EntityRef,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData

text = st.text(st.characters(codec="utf-8"), max_size=8)
int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
uint32 = st.one_of(st.just(0), st.integers(0, 2**32 - 1))
uint64 = st.one_of(st.integers(10**18, 10**18 + 9), st.integers(0, 2**64 - 1))
keys = st.one_of(
    st.sampled_from(
        ["a", "a.b", "a_b", "service.name", "id", "rest", "name", "schema.url", "", "A", "a..b", "a_", "é"]
    ),
    text,
)

scalars = st.one_of(
    st.builds(AnyValue, string_value=text),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=int64),
    st.builds(AnyValue, double_value=st.floats()),
)


def _array(items: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    return st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(items, max_size=3)))


def _nested(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    members = st.lists(_key_value(values), max_size=3)
    return _array(values) | st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=members))


def _key_value(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[KeyValue]:
    return st.builds(KeyValue, key=keys, value=st.none() | values)


any_values = st.recursive(
    st.one_of(
        scalars,
        st.just(AnyValue()),
        st.builds(AnyValue, bytes_value=st.binary(max_size=4)),
        st.builds(AnyValue, string_value_strindex=int32),
        *(
            _array(st.builds(AnyValue, **{field: values}))
            for field, values in [
                ("string_value", text),
                ("bool_value", st.booleans()),
                ("int_value", int64),
                ("double_value", st.floats()),
            ]
        ),
    ),
    _nested,
    max_leaves=5,
)
attributes = st.lists(_key_value(any_values | scalars), max_size=5)

events = st.builds(Span.Event, time_unix_nano=uint64, name=text, attributes=attributes, dropped_attributes_count=uint32)
links = st.builds(
    Span.Link,
    trace_id=st.binary(max_size=17),
    span_id=st.binary(max_size=9),
    trace_state=text,
    attributes=attributes,
    dropped_attributes_count=uint32,
    flags=uint32,
)
spans = st.builds(
    Span,
    trace_id=st.one_of(st.binary(min_size=16, max_size=16), st.binary(max_size=17)),
    span_id=st.one_of(st.binary(min_size=8, max_size=8), st.binary(max_size=9)),
    parent_span_id=st.one_of(st.just(b""), st.binary(max_size=9)),
    trace_state=text,
    name=text,
    kind=st.one_of(st.integers(0, 5), int32),
    start_time_unix_nano=uint64,
    end_time_unix_nano=uint64,
    attributes=attributes,
    dropped_attributes_count=uint32,
    events=st.lists(events, max_size=2),
    dropped_events_count=uint32,
    links=st.lists(links, max_size=2),
    dropped_links_count=uint32,
    status=st.none() | st.builds(Status, message=text, code=st.one_of(st.integers(0, 2), int32)),
    flags=uint32,
)
entity_refs = st.builds(
    EntityRef,
    schema_url=text,
    type=text,
    id_keys=st.lists(text, max_size=2),
    description_keys=st.lists(text, max_size=2),
)
resources = st.builds(
    Resource, attributes=attributes, dropped_attributes_count=uint32, entity_refs=st.lists(entity_refs, max_size=2)
)
scopes = st.builds(
    InstrumentationScope, name=text, version=text, attributes=attributes, dropped_attributes_count=uint32
)
scope_spans = st.builds(
    ScopeSpans, scope=st.none() | scopes, spans=st.lists(spans, max_size=3), schema_url=st.just("") | text
)
resource_spans = st.builds(
    ResourceSpans,
    resource=st.none() | resources,
    scope_spans=st.lists(scope_spans, max_size=2),
    schema_url=st.just("") | text,
)
requests = st.builds(ExportTraceServiceRequest, resource_spans=st.lists(resource_spans, max_size=3))

NormalSpan = tuple[bytes | None, str, bytes | None, str, bytes]


def normal(*messages: ExportTraceServiceRequest | TracesData) -> list[NormalSpan]:
    """Every span with its resource and scope, in which nothing is told apart that OTLP does not tell apart.

    Attributes have no order, NaN is NaN whatever its bits, short ids have leading zeros, and there are no long parents.
    """
    found = [
        (
            _bytes(resource_spans.resource) if resource_spans.HasField("resource") else None,
            resource_spans.schema_url,
            _bytes(scope_spans.scope) if scope_spans.HasField("scope") else None,
            scope_spans.schema_url,
            _span(span),
        )
        for message in messages
        for resource_spans in message.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]
    return sorted(found, key=repr)


def _span(span: Span) -> bytes:
    copy = Span()
    copy.CopyFrom(span)
    copy.trace_id = _padded(span.trace_id, 16)
    copy.span_id = _padded(span.span_id, 8)
    copy.parent_span_id = (
        b"" if len(span.parent_span_id) > 8 else _padded(span.parent_span_id, 8).removeprefix(bytes(8))
    )
    for element in (*copy.events, *copy.links):
        _sort_attributes(element)
    return _bytes(copy)


def _padded(id_: bytes, length: int) -> bytes:
    return id_.rjust(length, b"\0") if id_ else id_


def _bytes(message: Message) -> bytes:
    copy = type(message)()
    copy.CopyFrom(message)
    _sort_attributes(copy)
    return copy.SerializeToString(deterministic=True)


def _sort_attributes(message: Any) -> None:
    for attribute in message.attributes:
        _forget_nan_bits(attribute)
    attributes = sorted(message.attributes, key=lambda attribute: attribute.SerializeToString(deterministic=True))
    del message.attributes[:]
    message.attributes.extend(attributes)


def _forget_nan_bits(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name == "double_value" and math.isnan(value):
            message.double_value = math.nan
        for part in value if field.is_repeated else (value,):
            if isinstance(part, Message):
                _forget_nan_bits(part)
