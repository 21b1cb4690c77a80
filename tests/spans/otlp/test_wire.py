"""Our messages are encoded as OTLP's."""

import pyarrow as pa
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
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
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from spanlake.spans.otlp import protobuf, wire
from spanlake.spans.otlp.protobuf import WireError, message_types

TYPES = message_types("tests.wire", wire.MESSAGES)
OFFICIAL = {
    "Request": ExportTraceServiceRequest.DESCRIPTOR,
    "ResourceSpans": ResourceSpans.DESCRIPTOR,
    "ScopeSpans": ScopeSpans.DESCRIPTOR,
    "Resource": Resource.DESCRIPTOR,
    "EntityRef": EntityRef.DESCRIPTOR,
    "Scope": InstrumentationScope.DESCRIPTOR,
    "Span": Span.DESCRIPTOR,
    "Status": Status.DESCRIPTOR,
    "Event": Span.Event.DESCRIPTOR,
    "Link": Span.Link.DESCRIPTOR,
    "KeyValue": KeyValue.DESCRIPTOR,
    "AnyValue": AnyValue.DESCRIPTOR,
    "ArrayValue": ArrayValue.DESCRIPTOR,
    "KeyValueList": KeyValueList.DESCRIPTOR,
}
SAME_ON_THE_WIRE = {
    FieldDescriptor.TYPE_MESSAGE: FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_FIXED64: FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_ENUM: FieldDescriptor.TYPE_INT32,
}
FOR_OTHER_SIGNALS = {("KeyValue", "key_strindex")}  # "MUST NOT be set" but in profiles, says OTLP
FORMER = {("ResourceSpans", "instrumentation_library_spans")}  # scope_spans before OTLP 0.16
MERGED = {("ResourceSpans", "resource"), ("ScopeSpans", "scope")}


def fields(descriptor: Descriptor) -> dict[str, tuple[int, bool, int]]:
    return {
        field.name: (
            field.number,
            field.is_repeated or (descriptor.name, field.name) in MERGED,
            SAME_ON_THE_WIRE.get(field.type, field.type),
        )
        for field in descriptor.fields
        if (descriptor.name, field.name) not in FOR_OTHER_SIGNALS | FORMER
    }


@pytest.mark.parametrize("message", OFFICIAL)
def test_wire_fields_match_otlp_numbers_and_types(message: str) -> None:
    assert fields(TYPES[message]) == fields(OFFICIAL[message])


def test_wire_has_every_message_of_otlp() -> None:
    assert set(TYPES) == set(OFFICIAL)


@pytest.mark.parametrize("depth", [1, 99])
def test_wire_skips_unknown_groups(depth: int) -> None:
    payload = b"\xa3\x01" * depth + b"\xa4\x01" * depth

    assert len(wire.decode("Span", [payload])["name"]) == 1


@pytest.mark.parametrize("depth", [101, 1_000_000])
def test_wire_refuses_deeper_groups(depth: int) -> None:
    payload = b"\xa3\x01" * depth + b"\xa4\x01" * depth

    with pytest.raises(protobuf.WireError):
        wire.decode("Span", [payload])


def test_decode_refuses_length_at_which_the_library_panics() -> None:
    body = b"\x0a" + b"\xff" * 9 + b"\x01"
    with pytest.raises(WireError):
        wire.decode("Request", [body])
    with pytest.raises(WireError):
        wire.decode("KeyValue", pa.array([body, b""], pa.binary()))
