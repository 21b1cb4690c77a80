"""Response bodies of the Tempo API."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

from spanlake.query.scan.unread_blocks import UNREAD
from spanlake.query.search_results import SpanResult, TraceResult
from spanlake.query.series import Labels, Series
from spanlake.query.time_range import Steps
from spanlake.receivers.otlp_rows import delimited
from spanlake.spans.arrow import Array, numbers


@dataclass(frozen=True)
class Columns:
    """The names under which an answer has values of several types, all of which are shown as text."""

    mixed: frozenset[str]

    @classmethod
    def of(cls, found: Iterable[TraceResult]) -> "Columns":
        """Return the names of an answer."""
        kinds: dict[str, set[str]] = {}
        for attributes in _attributes(found):
            for name, value in attributes.items():
                kinds.setdefault(name, set()).add(_kind(value))
        return cls(frozenset(name for name, found in kinds.items() if len(found) > 1))

    def write(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the member of a span or a span set that has its attributes, if there are any.

        Lists and maps are JSON text, and so are values of mixed names.
        """
        written = []
        for name, value in attributes.items():
            is_text = isinstance(value, list | dict) or (name in self.mixed and not isinstance(value, str))
            written.append({"key": name, "value": any_value(_text(value) if is_text else value)})
        return {"attributes": written} if written else {}


def _attributes(found: Iterable[TraceResult]) -> Iterator[Mapping[str, Any]]:
    for trace in found:
        for span_set in trace.sets:
            yield span_set.attributes
            for span in span_set.spans:
                yield span.attributes


def _kind(value: object) -> str:
    """Integers and floats are of one kind, and so are texts, lists and maps, which are shown as text."""
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "text"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_SAMPLE_END, _NOTHING, _ZERO = pa.scalar(b"}"), pa.scalar(b""), pa.array([0], pa.int32())
_MOST_UINT32 = 2**32 - 1
_LEAST_INEXACT = 2**53  # of whole numbers as floats
_PARTIAL_STATUS = b"\x18\x01"  # TraceByIDResponse.status = PARTIAL
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def search(found: Iterable[TraceResult], *, with_spans: bool) -> dict[str, Any]:
    """tempopb.SearchResponse in JSON, in which all values under one name are of one type and none is a list."""
    found = list(found)
    columns = Columns.of(found)
    traces = [_trace(trace, columns if with_spans else None) for trace in found]
    return {"traces": traces, "metrics": _jobs() | {"inspectedTraces": len(traces)}}


def _jobs() -> dict[str, int]:
    """Counts of jobs as Tempo has them: one, or one a block of a search that did not read all blocks."""
    unread = UNREAD.get()
    if unread is None or not unread.paths:
        return {"completedJobs": 1, "totalJobs": 1}
    return {"completedJobs": unread.read, "totalJobs": unread.read + len(unread.paths)}


def _trace(trace: TraceResult, columns: Columns | None) -> dict[str, Any]:
    header = trace.header
    answer: dict[str, Any] = {
        "traceID": header.trace_id.hex().lstrip("0"),
        "rootServiceName": header.root_service,
        "rootTraceName": header.root_name,
        "startTimeUnixNano": str(header.start_ns),
        "durationMs": min(max(header.end_ns - header.start_ns, 0) // 1_000_000, _MOST_UINT32),
    }
    if columns is not None:
        sets = [
            {"spans": [_span(span, columns) for span in found.spans], "matched": found.matched}
            | columns.write(found.attributes)
            for found in trace.sets
        ]
        answer |= {"spanSet": sets[0], "spanSets": sets}
    answer["serviceStats"] = {
        name: {"spanCount": stats.spans} | ({"errorCount": stats.errors} if stats.errors else {})
        for name, stats in sorted(header.services.items())
    }
    return answer


def _span(span: SpanResult, columns: Columns) -> dict[str, Any]:
    answer = {
        "spanID": span.span_id.hex(),
        "name": span.name,
        "startTimeUnixNano": str(span.start_ns),
        "durationNanos": str(max(span.duration_ns, 0)),
    }
    return answer | columns.write(span.attributes)


def query_range(found: Iterable[Series], steps: Steps, most: int | None = None) -> bytes:
    """tempopb.QueryRangeResponse in JSON, of the first ``most`` series.

    The samples, which can be many, are written all at once.
    """
    series, partial = _first(found, most)
    lines = (
        b'{"labels":%b,"samples":[%b]%b}' % (to_json(_labels(one.labels)), samples, _exemplars(one))
        for one, samples in zip(series, _samples(series, steps), strict=True)
    )
    return b'{"series":[%b]%b}' % (b",".join(lines), b"," + to_json(partial)[1:-1] if partial else b"")


def _first(found: Iterable[Series], most: int | None) -> tuple[list[Series], dict[str, str]]:
    """Return the first series in Tempo's order, and what an answer says where there are more."""
    series = sorted(found, key=_rank)
    if most is None or len(series) <= most:
        unread = UNREAD.get()
        return series, {"status": "PARTIAL", "message": unread.message} if unread and unread.paths else {}
    return series[:most], {
        "status": "PARTIAL",
        "message": f"there are {len(series)} series, more than maxSeries={most}",
    }


def _rank(one: Series) -> tuple[int, list[tuple[str, str, str]]]:
    """Return a series' place in Tempo's order: by the number of labels, then by names and values as protobuf's text."""
    return len(one.labels), [(key, *_value_text(value)) for key, value in one.labels]


def _value_text(value: object) -> tuple[str, str]:
    """Return the type and the text of a label's value."""
    [(kind, written)] = any_value(value).items()
    return kind, json.dumps(written) if kind == "stringValue" else str(written)


def _samples(series: Sequence[Series], steps: Steps) -> list[bytes]:
    """Return the samples of each series, as the items of a JSON array. What has no value has no sample."""
    heads = pa.array([f'{{"timestampMs":"{steps.at_ms(n)}","value":'.encode() for n in range(steps.count)], pa.binary())
    at = pa.concat_arrays([numbers(0), *[numbers(steps.count)] * len(series)])
    values: Array = pa.array([value for one in series for value in one.values], pa.float64())
    written: Array = pc.binary_join_element_wise(heads.take(at), _written(values), _SAMPLE_END, _NOTHING)
    through: Array = pa.concat_arrays([_ZERO, pc.cumulative_sum(values.is_valid().cast(pa.int32()))])
    offsets: Array = through.take(pa.array(range(0, len(values) + 1, steps.count), pa.int32()))
    items: Array = pa.ListArray.from_arrays(offsets, written.drop_null())
    joined: Array = pc.binary_join(items, b",")
    found: list[bytes] = joined.to_pylist()
    return found


def _written(values: Array) -> Array:
    """Numbers as protobuf's JSON has them (binary): those that are none are strings."""
    coded = values.dictionary_encode()  # most are counts, of which there are few different ones
    written = coded.dictionary.cast(pa.string())
    for text, name in _SPECIAL.items():
        written = pc.if_else(pc.equal(written, pa.scalar(text)), pa.scalar(f'"{name}"'), written)
    return written.cast(pa.binary()).take(coded.indices)


def _exemplars(one: Series) -> bytes:
    """Return a member of the object, a comma before it."""
    if not one.exemplars:
        return b""
    shown = [
        {
            "labels": _labels(exemplar.labels),
            "value": _double(exemplar.value or 0.0),
            "timestampMs": str(exemplar.time_ns // 1_000_000),
        }
        for exemplar in one.exemplars
    ]
    return b',"exemplars":%b' % to_json(shown)


def query_instant(found: Iterable[Series], most: int | None = None) -> dict[str, Any]:
    """tempopb.QueryInstantResponse in JSON, of the first ``most`` series."""
    series, partial = _first(found, most)
    return {"series": [_line(one) | {"value": _number(one.values[0] or 0.0)} for one in series]} | partial


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
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": any_value(item)} for key, item in value.items()]}}
    return {"stringValue": value}


def _number(value: float) -> float | str:
    """Return a sample's value; whole ones are written as they are in ranges, without a fraction."""
    return int(value) if value.is_integer() and abs(value) < _LEAST_INEXACT else _double(value)


def _double(value: float) -> float | str:
    return value if isfinite(value) else _SPECIAL[str(value)]


def trace_by_id_response(traces: Iterable[bytes], partial: str = "") -> bytes:
    """Write tempopb.TraceByIDResponse as protobuf, whose trace is these encoded TracesData together.

    ``partial`` says why spans are missing.
    """
    return (
        b"\x0a"
        + delimited(b"".join(traces))
        + (_PARTIAL_STATUS + b"\x22" + delimited(partial.encode()) if partial else b"")
    )
