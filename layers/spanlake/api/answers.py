"""The bodies of the Tempo API's answers."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.query.found import FoundSpan, FoundTrace, SpanSet
from spanlake.query.series import Labels, Series
from spanlake.query.steps import Steps
from spanlake.receivers.export import delimited

_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def search(found: Iterable[FoundTrace], *, with_spans: bool) -> dict[str, Any]:
    """tempopb.SearchResponse in JSON."""
    traces = [_trace(trace, with_spans=with_spans) for trace in found]
    return {"traces": traces, "metrics": {"completedJobs": 1, "totalJobs": 1, "inspectedTraces": len(traces)}}


def _trace(trace: FoundTrace, *, with_spans: bool) -> dict[str, Any]:
    header = trace.header
    answer: dict[str, Any] = {
        "traceID": header.trace_id.hex().lstrip("0"),
        "rootServiceName": header.root_service,
        "rootTraceName": header.root_name,
        "startTimeUnixNano": str(header.start_ns),
        "durationMs": (header.end_ns - header.start_ns) // 1_000_000,
    }
    if with_spans:
        sets = [_span_set(found) for found in trace.sets]
        answer |= {"spanSet": sets[0], "spanSets": sets}
    answer["serviceStats"] = {
        name: {"spanCount": stats.spans} | ({"errorCount": stats.errors} if stats.errors else {})
        for name, stats in header.services.items()
    }
    return answer


def _span_set(found: SpanSet) -> dict[str, Any]:
    answer: dict[str, Any] = {"spans": [_span(span) for span in found.spans], "matched": found.matched}
    return answer | _attributes(found.attributes)


def _span(span: FoundSpan) -> dict[str, Any]:
    answer = {
        "spanID": span.span_id.hex(),
        "name": span.name,
        "startTimeUnixNano": str(span.start_ns),
        "durationNanos": str(span.duration_ns),
    }
    return answer | _attributes(span.attributes)


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    if not attributes:
        return {}
    return {"attributes": [{"key": key, "value": any_value(value)} for key, value in attributes.items()]}


def query_range(found: Iterable[Series], steps: Steps) -> dict[str, Any]:
    """tempopb.QueryRangeResponse in JSON."""
    times = [str(steps.at_ms(n)) for n in range(steps.count)]
    return {"series": [_line(one) | {"samples": _samples(one, times)} | _exemplars(one) for one in found]}


def _samples(one: Series, times: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"timestampMs": time, "value": _double(value)}
        for time, value in zip(times, one.values, strict=True)
        if value is not None
    ]


def _exemplars(one: Series) -> dict[str, Any]:
    if not one.exemplars:
        return {}
    return {
        "exemplars": [
            {
                "labels": _labels(exemplar.labels),
                "value": _double(exemplar.value or 0.0),
                "timestampMs": str(exemplar.time_ns // 1_000_000),
            }
            for exemplar in one.exemplars
        ]
    }


def query_instant(found: Iterable[Series]) -> dict[str, Any]:
    """tempopb.QueryInstantResponse in JSON."""
    return {"series": [_line(one) | {"value": _double(one.values[0] or 0.0)} for one in found]}


def _line(one: Series) -> dict[str, Any]:
    return {"labels": _labels(one.labels)}


def _labels(labels: Labels) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in labels]


def any_value(value: object) -> dict[str, Any]:
    """OTLP's AnyValue in JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": _double(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    return {"stringValue": value}


def _double(value: float) -> float | str:
    return value if isfinite(value) else _SPECIAL[str(value)]


def trace_by_id_response(trace: TracesData | None) -> bytes:
    """tempopb.TraceByIDResponse as protobuf: its first field is the trace, which has TracesData's form."""
    if trace is None:
        return b""
    body = trace.SerializeToString()
    return b"\x0a" + delimited(body)
