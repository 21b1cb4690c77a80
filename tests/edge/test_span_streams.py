"""Jaeger and OpenCensus over gRPC, against a real server."""

import json
from collections.abc import Iterator

import grpc
import pytest

from spanlake.spans.otlp.validate import REASONS
from tests.conftest import StartServer
from tests.payloads import stored_names
from tests.receivers.jaeger.test_protobuf import posted, process, span
from tests.receivers.messages import jaeger, opencensus
from tests.receivers.opencensus.test_translate import NODE
from tests.receivers.opencensus.test_translate import span as census_span
from tests.server_process import SpanlakeServer

POST_SPANS = "/jaeger.api_v2.CollectorService/PostSpans"
EXPORT = "/opencensus.proto.agent.trace.v1.TraceService/Export"
CONFIG = "/opencensus.proto.agent.trace.v1.TraceService/Config"
PATIENCE = 60  # seconds


def channel_to(server: SpanlakeServer, port: int) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{port + server.offset}", (("grpc.use_local_subchannel_pool", 1),))


@pytest.fixture
def jaeger_channel(server: SpanlakeServer) -> Iterator[grpc.Channel]:
    with channel_to(server, 14250) as channel:
        yield channel


@pytest.fixture
def census_channel(server: SpanlakeServer) -> Iterator[grpc.Channel]:
    with channel_to(server, 55678) as channel:
        yield channel


def post_spans(channel: grpc.Channel, body: bytes, tenant: str) -> bytes:
    call = channel.unary_unary(POST_SPANS, request_serializer=bytes, response_deserializer=bytes)
    answer: bytes = call(body, metadata=(("x-scope-orgid", tenant),), timeout=PATIENCE)
    return answer


def export(channel: grpc.Channel, bodies: list[bytes], tenant: str, method: str = EXPORT) -> list[bytes]:
    call = channel.stream_stream(method, request_serializer=bytes, response_deserializer=bytes)
    return list(call(iter(bodies), metadata=(("x-scope-orgid", tenant),), timeout=PATIENCE))


def test_jaeger_post_spans_stores_spans(server: SpanlakeServer, jaeger_channel: grpc.Channel, tenant: str) -> None:
    body = posted(span(), span(span_id=b""), of=process("shop"))
    assert post_spans(jaeger_channel, body, tenant) == b""
    assert stored_names(server.data, tenant) == ["get"]
    assert server.metric('spanlake_ingest_requests_total{code="OK",protocol="jaeger-grpc"}') >= 1


@pytest.mark.parametrize("body", [b"\xff", posted(span(trace_id=b"t" * 20)), posted(span(span_id=bytes(8)))])
def test_jaeger_post_spans_refuses_malformed_request(
    server: SpanlakeServer, jaeger_channel: grpc.Channel, tenant: str, body: bytes
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        post_spans(jaeger_channel, body, tenant)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert post_spans(jaeger_channel, posted(span()), tenant) == b""
    assert stored_names(server.data, tenant) == ["get"]


def test_rejected_spans_are_logged_once_a_minute_for_each_reason(start_server: StartServer) -> None:
    """Neither protocol can tell its sender; the spans beside are stored."""
    server = start_server()
    with channel_to(server, 14250) as jaegers, channel_to(server, 55678) as census:
        for name in ("first", "second"):
            post_spans(jaegers, posted(b"\xff", span(operation_name=name.encode())), "t")
            spans = [census_span(name={"value": name.encode()}), b"\xff"]
            export(census, [opencensus("Request", spans=spans)], "t")
    assert stored_names(server.data, "t") == ["first", "first", "second", "second"]
    lines = [json.loads(line) for line in server.log().splitlines() if "spans rejected" in line]
    assert [line["reason"] for line in lines] == [REASONS["malformed"]]
    protocols = [line["protocol"] for line in server.events() if line["event"] == "first spans over a protocol"]
    assert protocols == ["jaeger-grpc", "opencensus"]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@pytest.mark.parametrize(
    ("port", "method", "protocol"), [(14250, POST_SPANS, "jaeger-grpc"), (55678, EXPORT, "opencensus")]
)
def test_grpc_refuses_message_that_is_too_large(
    strict_server: SpanlakeServer, port: int, method: str, protocol: str, compression: grpc.Compression
) -> None:
    """Of a message that is too large as it is sent, grpc tells the server no more than that the call is over."""
    code = "CANCELLED" if compression is grpc.Compression.NoCompression else "RESOURCE_EXHAUSTED"
    series = f'spanlake_ingest_requests_total{{code="{code}",protocol="{protocol}"}}'
    before = strict_server.metric(series)

    def is_counted() -> bool:
        with channel_to(strict_server, port) as channel:
            call = channel.stream_stream(method, bytes, bytes)
            with pytest.raises(grpc.RpcError) as refused:
                list(call(iter([bytes(2 << 20)]), timeout=PATIENCE, compression=compression))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        return strict_server.metric(series) > before

    strict_server.wait_for(is_counted)


def census(*names: str, **head: bytes) -> bytes:
    spans = [census_span(name={"value": name.encode()}) for name in names]
    return opencensus("Request", spans=spans, **head)


def test_opencensus_stream_is_stored(server: SpanlakeServer, census_channel: grpc.Channel, tenant: str) -> None:
    assert export(census_channel, [census("a", node=NODE), census("b", "c"), b""], tenant) == []
    assert stored_names(server.data, tenant) == ["a", "b", "c"]


def test_opencensus_stream_ends_alone_at_malformed_message(
    server: SpanlakeServer, census_channel: grpc.Channel, tenant: str
) -> None:
    series = 'spanlake_ingest_requests_total{code="INVALID_ARGUMENT",protocol="opencensus"}'
    before = server.metric(series)
    with pytest.raises(grpc.RpcError) as refused:
        export(census_channel, [census("a", node=NODE), b"\xff", census("never")], tenant)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert export(census_channel, [census("b")], tenant) == []
    assert stored_names(server.data, tenant) == ["a", "b"]
    assert server.metric(series) == before + 1


def test_opencensus_config_stream_sends_no_configuration(census_channel: grpc.Channel, tenant: str) -> None:
    assert export(census_channel, [b"", b"\xff"], tenant, CONFIG) == []


def test_jaeger_post_spans_accepts_batch_without_process(
    server: SpanlakeServer, jaeger_channel: grpc.Channel, tenant: str
) -> None:
    body = jaeger("PostSpansRequest", batch={"spans": [span()]})
    assert post_spans(jaeger_channel, body, tenant) == b""
    assert stored_names(server.data, tenant) == ["get"]
