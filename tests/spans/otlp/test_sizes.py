"""Sizes of spans as Tempo's usage tracker counts them: all bytes of a ResourceSpans message belong to its spans."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from spanlake.spans.otlp.decode import Options, decode, decode_checked
from spanlake.spans.otlp.precheck import AcceptedTimes, check

_SHAPE = st.lists(  # requests of resources of scopes of names of spans
    st.lists(
        st.lists(st.lists(st.sampled_from(["", "a", "b" * 150, "c" * 20_000]), max_size=3), max_size=3), max_size=3
    ),
    min_size=1,
    max_size=3,
)


def request(resources: list[list[list[str]]]) -> ExportTraceServiceRequest:
    found = ExportTraceServiceRequest()
    for number, scopes in enumerate(resources):
        resource_spans = found.resource_spans.add(schema_url="u" * 130 * (number % 2))
        resource_spans.resource.attributes.add(key="service.name").value.string_value = f"service-{number}"
        for names in scopes:
            scope_spans = resource_spans.scope_spans.add(schema_url="s" * len(names))
            scope_spans.scope.name = "scope"
            for name in names:
                scope_spans.spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=1)
    return found


def field_bytes(size: int) -> int:
    """The bytes of a field of so many bytes: the tag, the length and the content."""
    return 1 + max(1, (size.bit_length() + 6) // 7) + size


def expected(resource_spans: ResourceSpans) -> Iterator[int]:
    spans = [field_bytes(span.ByteSize()) for scope in resource_spans.scope_spans for span in scope.spans]
    urls = [resource_spans.schema_url, *(scope.schema_url for scope in resource_spans.scope_spans)]
    shared = field_bytes(resource_spans.resource.ByteSize()) + sum(field_bytes(len(url)) for url in urls if url)
    shared += sum(2 + field_bytes(scope.scope.ByteSize()) for scope in resource_spans.scope_spans)
    if spans:
        each, over = divmod(shared, len(spans))
        yield from (size + each + (over if number == 0 else 0) for number, size in enumerate(spans))


@given(_SHAPE)
def test_sizes_are_those_of_the_messages(shape: list[list[list[list[str]]]]) -> None:
    requests = [request(resources) for resources in shape]
    wanted = [size for each in requests for resource_spans in each.resource_spans for size in expected(resource_spans)]
    bodies = [each.SerializeToString() for each in requests]
    sized = decode(bodies, Options(with_sizes=True)).sizes
    assert sized is not None
    assert sized.to_pylist() == wanted
    checked = check(bodies, AcceptedTimes(0, 2))
    assert checked is not None
    logged = decode_checked(checked, Options(with_sizes=True)).sizes
    assert logged is not None
    assert logged.to_pylist() == wanted


def test_sizes_are_not_made_unless_asked_for() -> None:
    assert decode([request([[["a"]]]).SerializeToString()]).sizes is None
