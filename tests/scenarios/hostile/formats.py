"""The formats of all receivers, by name."""

from collections.abc import Mapping

from spanlake.edge.udp import BINARY, COMPACT
from spanlake.ingest.request import Format
from spanlake.receivers import otlp, tempo_json
from spanlake.receivers.files.records import Kind
from spanlake.receivers.jaeger import json, protobuf, thrift
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

FILE_FORMATS: Mapping[Kind, Format | None] = {
    Kind.OTLP: None,
    Kind.OTLP_JSON: FORMATS["otlp-json"],
    Kind.TEMPO_JSON: Format.of_each("tempo-json", tempo_json.read),
    Kind.JAEGER_JSON: Format.of_each("jaeger-json", json.read),
    Kind.ZIPKIN_JSON: FORMATS["zipkin-v2-json"],
}
"""The formats of records of files."""
