"""The formats of all receivers, by name."""

from collections.abc import Mapping

from spanlake.edge.udp import BINARY, COMPACT
from spanlake.ingest.request import Format
from spanlake.receivers import otlp
from spanlake.receivers.jaeger import protobuf, thrift
from spanlake.receivers.opencensus import translate
from spanlake.receivers.zipkin import v1_json, v1_thrift, v2_json, v2_protobuf

FORMATS: Mapping[str, Format | None] = {
    "otlp-proto": None,
    "otlp-json": Format.of_each("otlp-json", otlp.read_json),
    "zipkin-v2-json": Format.of_each("zipkin-v2-json", v2_json.spans),
    "zipkin-v2-proto": Format.of_each("zipkin-v2-proto", v2_protobuf.spans),
    "zipkin-v1-json": Format.of_each("zipkin-v1-json", v1_json.spans),
    "zipkin-v1-thrift": Format.of_each("zipkin-v1-thrift", v1_thrift.spans),
    "jaeger-http": Format("jaeger-http", thrift.http_batches),
    "jaeger-binary": BINARY,
    "jaeger-compact": COMPACT,
    "jaeger-grpc": Format("jaeger-grpc", protobuf.post_spans),
    "opencensus": Format("opencensus", translate.export_requests),
}
