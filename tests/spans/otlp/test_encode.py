"""Tests the reassembly of traces; that nothing is lost on the way is for ``test_lossless``."""

import pyarrow as pa
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.encode import encode, to_otlp
from spanlake.spans.schema import FIXED
from tests.spans import otlp_requests


def request(resource: str, scope: str, *names: str, start: int = 0, **attributes: str) -> TracesData:
    """Returns a request with a span of each name, in the order of time."""
    traces = TracesData()
    resource_spans = traces.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = resource
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    for number, name in enumerate(names):
        span = scope_spans.spans.add(
            name=name, start_time_unix_nano=start + number, trace_id=b"t" * 16, span_id=b"s" * 8
        )
        for key, value in attributes.items():
            span.attributes.add(key=key).value.string_value = value
    return traces


def table(*requests: TracesData) -> pa.Table:
    return decode([request.SerializeToString() for request in requests]).table


def shape(traces: TracesData) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """The names of resources, of their scopes, of their spans."""
    return [
        (
            resource_spans.resource.attributes[0].value.string_value,
            [(part.scope.name, [span.name for span in part.spans]) for part in resource_spans.scope_spans],
        )
        for resource_spans in traces.resource_spans
    ]


def test_encode_groups_spans_of_requests_by_resource_and_scope_in_order_of_time() -> None:
    found = table(
        request("cart", "http", "late", start=50),
        request("shop", "http", "first", start=10),
        request("cart", "sql", "second", "third", start=20),
        request("shop", "http", "last", start=90),
        request("cart", "http", "fourth", start=40),
    )

    assert shape(to_otlp(found)) == [
        ("shop", [("http", ["first", "last"])]),
        ("cart", [("sql", ["second", "third"]), ("http", ["fourth", "late"])]),
    ]


def test_encode_orders_times_beyond_int64_last() -> None:
    found = table(request("shop", "http", "last", start=2**63), request("shop", "http", "first", start=1))

    assert shape(to_otlp(found)) == [("shop", [("http", ["first", "last"])])]


def test_encode_joins_tables_with_different_columns() -> None:
    requests = [request("shop", "http", "a", colour="red"), request("shop", "http", "b", size="xl", start=1)]

    found = pa.concat_tables([table(part) for part in requests], promote_options="default")

    assert otlp_requests.normal(to_otlp(found)) == otlp_requests.normal(*requests)


def test_encode_reads_absent_columns_as_null() -> None:
    sent = request("shop", "http", "a")
    optional = ["events", "links", "resource_rest", "span_rest", "scope_rest", "resource_entity_refs", "service_name"]

    assert to_otlp(table(sent).drop_columns(optional)) == sent


def test_encode_of_no_spans_is_empty() -> None:
    assert to_otlp(FIXED.empty_table()) == TracesData()


def test_encode_leaves_out_absent_status() -> None:
    [[[span]]] = [
        [part.spans for part in resource_spans.scope_spans]
        for resource_spans in to_otlp(table(request("shop", "http", "a"))).resource_spans
    ]

    assert isinstance(span, Span)
    assert not span.HasField("status")


def test_encode_in_pieces_is_encode_at_once() -> None:
    found = table(*(request(service, "http", "a", "b", start=n, k=f"{n}") for n, service in enumerate("xyxzy")))
    assert encode(found, at_once=3) == encode(found)
