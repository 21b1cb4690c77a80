"""Attributes beyond the limit of a message are dropped and counted, for every kind of message."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanlake.spans.otlp.decode import Options, decode
from spanlake.spans.otlp.encode import to_otlp

FEW = Options(attributes=3)


def attributes(count: int) -> list[KeyValue]:
    return [KeyValue(key=f"k{number}", value=AnyValue(int_value=number)) for number in range(count)]


def test_attributes_beyond_limit_are_dropped_and_counted() -> None:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(attributes(5))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.attributes.extend(attributes(4))
    for number in range(6):
        span = scope_spans.spans.add(trace_id=b"t" * 16, span_id=bytes([number + 1] * 8), start_time_unix_nano=number)
        span.attributes.extend(attributes(number))
        span.dropped_attributes_count = number
    span.events.add(name="e").attributes.extend(attributes(7))
    span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, dropped_attributes_count=2**32 - 2).attributes.extend(
        attributes(9)
    )

    (found,) = to_otlp(decode([request.SerializeToString()], FEW).table).resource_spans

    (scope,) = found.scope_spans
    assert [len(each.attributes) for each in scope.spans] == [0, 1, 2, 3, 3, 3]
    assert [each.dropped_attributes_count for each in scope.spans] == [0, 1, 2, 3, 5, 7]
    assert (len(found.resource.attributes), found.resource.dropped_attributes_count) == (3, 2)
    assert (len(scope.scope.attributes), scope.scope.dropped_attributes_count) == (3, 1)
    last: Span = scope.spans[5]
    assert [each.key for each in last.attributes] == ["k0", "k1", "k2"]
    assert (len(last.events[0].attributes), last.events[0].dropped_attributes_count) == (3, 4)
    assert (len(last.links[0].attributes), last.links[0].dropped_attributes_count) == (3, 2**32 - 1)


def test_long_keys_and_texts_are_cut_to_whole_characters_and_counted() -> None:
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for number in range(2):
        span = scope_spans.spans.add(trace_id=b"t" * 16, span_id=bytes([number + 1] * 8), start_time_unix_nano=1)
        span.attributes.append(KeyValue(key="é" * 2000, value=AnyValue(string_value="x" * (1 << 20))))
        span.attributes.append(KeyValue(key="k", value=AnyValue(string_value="a" + "é" * (1 << 18))))
        span.attributes.append(KeyValue(key="short", value=AnyValue(int_value=number)))

    decoded = decode([request.SerializeToString()])

    (resource_spans,) = to_otlp(decoded.table).resource_spans
    for number, span in enumerate(resource_spans.scope_spans[0].spans):
        assert {each.key: each.value for each in span.attributes} == {
            "é" * 1024: AnyValue(string_value="x" * (1 << 18)),
            "k": AnyValue(string_value="a" + "é" * ((1 << 17) - 1)),
            "short": AnyValue(int_value=number),
        }
    assert decoded.truncated == 4


def test_entity_references_beyond_their_limits_are_left_out() -> None:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for number in range(70):
        resource_spans.resource.entity_refs.add(type=f"t{number}" if number else "t" * 5000)
    resource_spans.scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=1)

    (found,) = to_otlp(decode([request.SerializeToString()]).table).resource_spans

    assert [each.type for each in found.resource.entity_refs] == ["", *(f"t{number}" for number in range(1, 64))]
