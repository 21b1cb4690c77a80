"""OTLP over gRPC against a real server."""

import gzip
from collections.abc import Iterator

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanlake.spans.otlp.validate import explain
from tests.conftest import StartServer
from tests.payloads import export_request, stored_names
from tests.server_process import HalfSent, SpanlakeServer

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
GOOD = export_request("good").SerializeToString()
PATIENCE = 60  # seconds


class Client:
    """A channel that sends bytes as they are."""

    def __init__(self, server: SpanlakeServer) -> None:
        options = (("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
        self.channel = grpc.insecure_channel(server.otlp_grpc, options)
        self.call = self.method(EXPORT)

    def method(self, path: str) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
        return self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)

    def export(
        self, body: bytes, tenant: str | None = None, compression: grpc.Compression = grpc.Compression.NoCompression
    ) -> ExportTraceServiceResponse:
        metadata = () if tenant is None else (("x-scope-orgid", tenant),)
        answer: bytes = self.call(body, metadata=metadata, timeout=PATIENCE, compression=compression)
        return ExportTraceServiceResponse.FromString(answer)

    def refusal(self, body: bytes, tenant: str | None = None, **more: grpc.Compression) -> grpc.RpcError:
        with pytest.raises(grpc.RpcError) as refused:
            self.export(body, tenant, **more)
        return refused.value


@pytest.fixture
def client(server: SpanlakeServer) -> Iterator[Client]:
    opened = Client(server)
    yield opened
    opened.channel.close()


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_export_stores_spans(
    server: SpanlakeServer, client: Client, tenant: str, compression: grpc.Compression
) -> None:
    assert client.export(GOOD, tenant, compression) == ExportTraceServiceResponse()
    assert stored_names(server.data, tenant) == ["good"]


def test_export_accepts_message_of_many_megabytes(server: SpanlakeServer, client: Client, tenant: str) -> None:
    body = export_request("large", filler=20 << 20).SerializeToString()
    assert client.export(body, tenant) == ExportTraceServiceResponse()
    assert stored_names(server.data, tenant) == ["large"]


def test_export_reports_rejected_spans_as_partial_success(server: SpanlakeServer, client: Client, tenant: str) -> None:
    request = export_request("kept", "no trace id")
    request.resource_spans[0].scope_spans[1].spans[0].trace_id = b""
    partial = client.export(request.SerializeToString(), tenant).partial_success
    assert (partial.rejected_spans, partial.error_message) == (1, explain({"invalid_trace_id": 1}))
    assert stored_names(server.data, tenant) == ["kept"]


def test_export_names_format_of_other_message(client: Client) -> None:
    refusal = client.refusal(b'{"resourceSpans": []}', None)
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "JSON" in (refusal.details() or "")


def test_export_reads_gzip_that_the_call_does_not_name(server: SpanlakeServer, client: Client, tenant: str) -> None:
    assert not client.export(gzip.compress(GOOD), tenant).partial_success.rejected_spans
    assert stored_names(server.data, tenant) == ["good"]


@pytest.mark.parametrize(
    ("body", "tenant"),
    [(b"\xff\xff", None), (GOOD[:-1], None), (GOOD, "a|b"), (GOOD, "../x")],
    ids=["not protobuf", "cut off", "tenant with a bar", "tenant with a path"],
)
def test_export_of_malformed_request_is_invalid_argument(client: Client, body: bytes, tenant: str | None) -> None:
    refusal = client.refusal(body, tenant)
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.details()


def test_export_with_empty_tenant_uses_default_tenant(server: SpanlakeServer, client: Client) -> None:
    assert not client.export(GOOD, "").partial_success.rejected_spans
    assert "good" in stored_names(server.data, "single-tenant")


def test_export_of_malformed_request_does_not_fail_its_group(
    server: SpanlakeServer, client: Client, tenant: str
) -> None:
    names = [f"{number:02}" for number in range(30)]
    calls = [
        client.call.future(body, metadata=(("x-scope-orgid", tenant),), timeout=PATIENCE)
        for name in names
        for body in (export_request(name).SerializeToString(), b"\xff" + name.encode())
    ]
    assert [call.code() for call in calls] == [grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT] * 30
    assert stored_names(server.data, tenant) == names


def test_unknown_method_is_unimplemented(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.method("/opentelemetry.proto.collector.trace.v1.TraceService/Import")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_export_refuses_compression_bomb(strict_server: SpanlakeServer, compression: grpc.Compression) -> None:
    client = Client(strict_server)
    client.export(GOOD)
    before = strict_server.peak_memory()
    assert client.refusal(bytes(100 << 20), compression=compression).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert strict_server.peak_memory() - before < 20 << 20


def test_export_refuses_message_beyond_limit(start_server: StartServer) -> None:
    client = Client(start_server("--max-request-bytes", str(len(GOOD))))
    assert client.export(GOOD) == ExportTraceServiceResponse()
    assert client.refusal(GOOD + b"\0").code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def retry_delay(refusal: grpc.RpcError) -> float:
    """Returns the delay in a refusal's google.rpc.RetryInfo, in seconds."""
    (trailer,) = refusal.trailing_metadata()
    assert trailer.key == "grpc-status-details-bin"
    (detail,) = Status.FromString(trailer.value).details
    retry = RetryInfo()
    assert detail.Unpack(retry)
    return float(retry.retry_delay.ToTimedelta().total_seconds())


def test_export_beyond_memory_is_asked_to_retry(start_server: StartServer) -> None:
    server = start_server("--max-request-bytes", "9000", "--max-in-flight-bytes", "9000")
    client = Client(server)
    body = export_request("large", filler=8000).SerializeToString()
    waiting = HalfSent(server, body)
    server.wait_for(lambda: server.bytes_in_flight() > 0)
    refusal = client.refusal(body)
    assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_delay(refusal) == 1
    assert waiting.finish().status == 200
    assert client.export(body) == ExportTraceServiceResponse()


def test_export_is_asked_to_retry_when_storage_fails(start_server: StartServer) -> None:
    server = start_server()
    client = Client(server)
    in_the_way = [server.data / "log", server.data / "spans"]
    for file in in_the_way:
        file.touch()
    refusal = client.refusal(GOOD)
    assert refusal.code() is grpc.StatusCode.UNAVAILABLE
    assert retry_delay(refusal) > 0
    for file in in_the_way:
        file.unlink()
    assert client.export(GOOD) == ExportTraceServiceResponse()


def test_sdk_exporter_stores_spans_with_gzip(server: SpanlakeServer, tenant: str) -> None:
    exporter = OTLPSpanExporter(
        server.otlp_grpc, insecure=True, headers={"x-scope-orgid": tenant}, compression=grpc.Compression.Gzip
    )
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for number in range(700):
        provider.get_tracer("tests").start_span(f"{number:03}").end()
    provider.shutdown()
    assert stored_names(server.data, tenant) == [f"{number:03}" for number in range(700)]


def test_sdk_exporter_retries_after_failure(start_server: StartServer) -> None:
    server = start_server()
    in_the_way = server.data / "spans"
    in_the_way.touch()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(server.otlp_grpc, insecure=True)))
    provider.get_tracer("tests").start_span("patient").end()
    server.wait_for(lambda: "could not be stored" in server.log())
    in_the_way.unlink()
    provider.shutdown()
    assert stored_names(server.data) == ["patient"]


def test_health_check_reports_serving(server: SpanlakeServer) -> None:
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        assert check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
