"""Answers as messages: a strict decoder of protobuf's JSON, as Grafana has one, reads them with nothing left over.

The messages are those of Tempo 3.1's ``tempo.proto`` that JSON answers of metrics and searches are made of.
"""

from typing import Any, Final
from urllib.parse import urlencode

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message
from opentelemetry.proto.common.v1 import common_pb2

from tests.query.kit import NOON, SECOND, At, request
from tests.server_process import SpanlakeServer

TENANT = "messages"
RANGE = {"start": NOON // SECOND - 60, "end": NOON // SECOND + 60, "step": "60s"}
KEY_VALUE = ".opentelemetry.proto.common.v1.KeyValue"
COUNTS: Final = "inspectedTraces inspectedBytes totalBlocks completedJobs totalJobs totalBlockBytes inspectedSpans"

# Name, type, number; a * stands for repeated.
MESSAGES: Final = {
    "SearchMetrics": [
        (name, "uint64" if name.endswith(("Bytes", "Spans")) else "uint32", number)
        for number, name in enumerate(COUNTS.split(), 1)
    ],
    "Exemplar": [("labels", f"{KEY_VALUE}*", 1), ("value", "double", 2), ("timestamp_ms", "int64", 3)],
    "Sample": [("value", "double", 1), ("timestamp_ms", "int64", 2)],
    "TimeSeries": [("labels", f"{KEY_VALUE}*", 1), ("samples", ".t.Sample*", 2), ("exemplars", ".t.Exemplar*", 4)],
    "QueryRangeResponse": [
        ("series", ".t.TimeSeries*", 1),
        ("metrics", ".t.SearchMetrics", 2),
        ("status", "int32", 3),
        ("message", "string", 4),
    ],
    "InstantSeries": [("labels", f"{KEY_VALUE}*", 1), ("value", "double", 2)],
    "QueryInstantResponse": [
        ("series", ".t.InstantSeries*", 1),
        ("metrics", ".t.SearchMetrics", 2),
        ("status", "int32", 3),
        ("message", "string", 4),
    ],
    "Span": [
        ("spanID", "string", 1),
        ("name", "string", 2),
        ("startTimeUnixNano", "uint64", 3),
        ("durationNanos", "uint64", 4),
        ("attributes", f"{KEY_VALUE}*", 5),
    ],
    "SpanSet": [("spans", ".t.Span*", 1), ("matched", "uint32", 2), ("attributes", f"{KEY_VALUE}*", 3)],
    "ServiceStats": [("spanCount", "uint32", 1), ("errorCount", "uint32", 2)],
    "TraceSearchMetadata": [
        ("traceID", "string", 1),
        ("rootServiceName", "string", 2),
        ("rootTraceName", "string", 3),
        ("startTimeUnixNano", "uint64", 4),
        ("durationMs", "uint32", 5),
        ("spanSet", ".t.SpanSet", 6),
        ("spanSets", ".t.SpanSet*", 7),
        ("serviceStats", ".t.TraceSearchMetadata.ServiceStatsEntry*", 8),
    ],
    "SearchResponse": [("traces", ".t.TraceSearchMetadata*", 1), ("metrics", ".t.SearchMetrics", 2)],
}


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, kind: str, number: int) -> None:
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    if kind.startswith("."):
        field.type, field.type_name = field.TYPE_MESSAGE, kind.rstrip("*")
    else:
        field.type = field.Type.Value(f"TYPE_{kind.upper()}")


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    file.dependency.append(common_pb2.DESCRIPTOR.name)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field)
    services = next(message for message in file.message_type if message.name == "TraceSearchMetadata")
    entry = services.nested_type.add(name="ServiceStatsEntry")
    entry.options.map_entry = True
    _add_field(entry, "key", "string", 1)
    _add_field(entry, "value", ".t.ServiceStats", 2)
    return file


@pytest.fixture(scope="module")
def pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(common_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(_file())
    return pool


@pytest.fixture(scope="module")
def stored(server: SpanlakeServer) -> SpanlakeServer:
    spans = [
        At(n, trace=n, start=n, length=n * SECOND, status=n % 3, attributes={"n": n, "f": n / 7, "l": ["a", "b"]})
        for n in range(1, 9)
    ]
    spans.append(At(9, trace=9, attributes={"f": float("inf")}))
    assert server.post_traces(request(spans), headers={"X-Scope-OrgID": TENANT}).status == 200
    return server


def decoded(
    pool: descriptor_pool.DescriptorPool, server: SpanlakeServer, path: str, name: str, **parameters: str
) -> Any:
    answer = server.get(f"{path}?{urlencode(RANGE | parameters)}", {"X-Scope-OrgID": TENANT})
    assert answer.status == 200, answer.body
    message: Message = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}"))()
    return json_format.Parse(answer.body, message)


@pytest.mark.parametrize(
    "q",
    [
        "{} | rate()",
        "{} | rate() by (span.n, span.f, span.l, status, span.none)",
        "{} | quantile_over_time(duration, .5, .9) by (kind)",
        "{} | histogram_over_time(duration)",
        "{} | sum_over_time(span.f)",
        "{} | max_over_time(span.n) > 3",
        "{} | compare({ status = error })",
        "({} | rate()) / ({} | count_over_time())",
        "{ span.n = 77 } | max_over_time(span.n)",
    ],
)
def test_metrics(pool: descriptor_pool.DescriptorPool, stored: SpanlakeServer, q: str) -> None:
    series = decoded(pool, stored, "/api/metrics/query_range", "QueryRangeResponse", q=q).series
    instant = decoded(pool, stored, "/api/metrics/query", "QueryInstantResponse", q=q).series
    assert bool(series) == bool(instant) == ("77" not in q or "rate" in q)
    times = [sample.timestamp_ms for line in series for sample in line.samples]
    assert set(times) <= {NOON // 10**6 + after for after in (-60_000, 0, 60_000)}


def test_exemplars(pool: descriptor_pool.DescriptorPool, stored: SpanlakeServer) -> None:
    found = decoded(
        pool, stored, "/api/metrics/query_range", "QueryRangeResponse", q="{ span.n = 3 } | rate() by (kind)"
    )
    ((exemplar,),) = [line.exemplars for line in found.series]
    labels = {label.key: label.value.string_value for label in exemplar.labels}
    assert labels == {"trace:id": f"{3:032x}", "kind": "unspecified"}
    assert (exemplar.value, exemplar.timestamp_ms) == (1 / 60, NOON // 10**6)
    none = decoded(
        pool, stored, "/api/metrics/query_range", "QueryRangeResponse", q="{} | rate() with (exemplars=false)"
    )
    assert [list(line.exemplars) for line in none.series] == [[]]
    one = decoded(pool, stored, "/api/metrics/query_range", "QueryRangeResponse", q="{} | rate()", exemplars="1")
    assert [len(line.exemplars) for line in one.series] == [1]


def test_searches(pool: descriptor_pool.DescriptorPool, stored: SpanlakeServer) -> None:
    found = decoded(pool, stored, "/api/search", "SearchResponse", q="{ span.n > 0 } | select(span.f, span.l)")
    assert len(found.traces) == 8
    by_tags = decoded(pool, stored, "/api/search", "SearchResponse", tags="service.name=shop")
    assert [trace.serviceStats["shop"].spanCount for trace in by_tags.traces] == [1] * 9
