"""Files of spans: which format they are in, how they are taken apart, and what is said of damaged ones."""

import gzip
import io
import json
from collections.abc import Sequence
from typing import BinaryIO, cast

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.receivers.files.compression import Stream
from spanlake.receivers.files.json_elements import elements
from spanlake.receivers.files.records import MAX_RECORD_BYTES, Kind, records
from spanlake.receivers.translation import MalformedFile
from spanlake.spans.otlp.files import json_line, protobuf_record


def read(content: bytes, most_bytes: int = MAX_RECORD_BYTES) -> list[tuple[Kind, bytes]]:
    return [(kind, body) for kind, body in records(Stream(io.BytesIO(content)), most_bytes)]


def data(*names: str) -> TracesData:
    traces = TracesData()
    for name in names:
        traces.resource_spans.add().scope_spans.add().spans.add(name=name)
    return traces


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def names(found: Sequence[tuple[Kind, bytes]]) -> list[str]:
    traces = [TracesData.FromString(body) for _, body in found]
    return [each.scope_spans[0].spans[0].name for trace in traces for each in trace.resource_spans]


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(4) + message


MESSAGES = protobuf_record(data("a")) + protobuf_record(data("b", "c"))
LINES = json_line(data("a")) + json_line(data("b", "c"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_records_reads_length_prefixed_messages(pack: type[bytes]) -> None:
    found = read(pack(MESSAGES))
    assert {kind for kind, _ in found} == {Kind.OTLP}
    assert names(found) == ["a", "b", "c"]


def test_records_reads_messages_compressed_one_by_one() -> None:
    """The Collector's file exporter does so with ``compression: zstd``, in both formats."""
    found = read(framed(zstd(data("a").SerializeToString())) + framed(zstd(json_line(data("b")))))
    assert [kind for kind, _ in found] == [Kind.OTLP, Kind.OTLP_JSON]


def test_records_reads_single_traces_data() -> None:
    assert names(read(data("a", "b", "c").SerializeToString())) == ["a", "b", "c"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_records_reads_json_lines(pack: type[bytes]) -> None:
    ((kind, body),) = read(pack(LINES))
    assert kind is Kind.OTLP_JSON
    spans = [each["scopeSpans"][0]["spans"][0]["name"] for each in json.loads(body)["resourceSpans"]]
    assert spans == ["a", "b", "c"]


def test_records_reads_json_lines_with_brackets_in_strings() -> None:
    line = json_line(data("}]}"))
    bodies = [json.loads(body)["resourceSpans"] for _, body in read(line * 3)]
    assert [len(each) for each in bodies] == [1, 1, 1]


def test_records_reports_damaged_line_and_reads_others() -> None:
    """Programs that are killed while they write leave such lines."""
    cut = LINES[:30]
    bodies = [body for _, body in read(LINES + cut + b"\n" + LINES + cut + LINES)]
    good = [len(json.loads(body)["resourceSpans"]) for body in bodies if not body.startswith(cut * 2) and body != cut]
    assert cut in bodies
    assert sum(good) == 3 + 3 + 2  # the first line behind a cut one is part of it


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"resourceSpans": [{"a": [{}]}, {"b": "]}"}]}, Kind.OTLP_JSON),
        ({"batches": [{"a": [{}]}]}, Kind.TEMPO_JSON),
        ({"trace": {"resourceSpans": [{"a": 1}, {"b": '"{\\'}]}, "metrics": {"x": [1]}}, Kind.TEMPO_JSON),
        ({"data": [{"traceID": "1", "spans": [{}], "processes": {"p1": {}}}], "total": 0}, Kind.JAEGER_JSON),
        ({"traceID": "1", "spans": [{}], "processes": {"p1": {}}}, Kind.JAEGER_JSON),
        ([{"traceId": "1", "id": "2"}, {"traceId": "1", "id": "3"}], Kind.ZIPKIN_JSON),
    ],
)
def test_records_reads_json_documents(document: object, kind: Kind, indent: int | None) -> None:
    ((found, body),) = read(b"\n " * 3 + json.dumps(document, indent=indent).encode())
    assert found is kind
    assert json.loads(body) in (document, {"data": [document]}, {"batches": _listed(document)}, _without(document))


def _listed(document: object) -> object:
    return document.get("trace", {}).get("resourceSpans") if isinstance(document, dict) else None


def _without(document: object) -> object:
    """The document without what stands beside its list of traces."""
    return {"data": document.get("data")} if isinstance(document, dict) else None


@pytest.mark.parametrize("length", [0x22, 0x5B, 0x7B, 0x7D])
def test_records_reads_lengths_that_look_like_json(length: int) -> None:
    """In protobuf the first byte is a line break, the second a length."""
    for resource in (True, False):
        traces, size = TracesData(), 0
        each = traces.resource_spans.add()
        while (size := len(each.SerializeToString())) < length:
            if resource:
                each.resource.attributes.add(key="k" * max(length - size - 6 - 2 * (not each.resource.ByteSize()), 0))
            else:
                each.schema_url = "s" * (length - 2)
        assert [kind for kind, _ in read(traces.SerializeToString())] == [Kind.OTLP]


def test_records_skips_byte_order_mark() -> None:
    ((kind, _),) = read(b"\xef\xbb\xbf" + LINES)
    assert kind is Kind.OTLP_JSON


def test_records_bounds_size_of_record() -> None:
    large = json.dumps({"resourceSpans": [{"fill": "x" * 600_000}] * 5}).encode()
    assert [len(body) // 600_000 for _, body in read(large)] == [1] * 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (MESSAGES[:-1], "cut short"),
        (MESSAGES + b"\0\0", "cut short"),
        (data("a").SerializeToString()[:-1], "cut short"),
        (data("a").SerializeToString() + b"\x12\0", "not OTLP protobuf"),
        (LINES[:-5], "cut short"),
        (LINES + b'{"resourceSpans":[{"a":"b', "cut short"),
        (LINES + b"and so on", "not JSON"),
        (b'{"resourceSpans":[]]', "not JSON"),
        (b'{"data":[' + b"[" * 10_000, "nest too deep"),
        (b'{"resourceMetrics":[{}]}', "holds no spans"),
        (b"[{}]\n{}", "holds no spans"),
        (b"PAR1\x15\x04\x15\x10", "unknown format"),
        (gzip.compress(MESSAGES)[:-9], "Truncated"),
        (b"\x1f\x8b junk", "compressed"),
        (framed(zstd(MESSAGES)[:-3]), "compressed message"),
    ],
)
def test_records_reports_damaged_file(content: bytes, reason: str) -> None:
    with pytest.raises(MalformedFile, match=reason):
        read(content)


def test_records_reads_messages_before_damage() -> None:
    stream = records(Stream(io.BytesIO(MESSAGES + b"\xff" * 8)))
    assert names([next(stream), next(stream)]) == ["a", "b", "c"]
    with pytest.raises(MalformedFile, match=f"at byte {len(MESSAGES) + 4}"):
        next(stream)


def test_records_refuses_messages_that_inflate_too_far() -> None:
    with pytest.raises(MalformedFile, match="larger than 1048576 bytes"):
        read(framed(zstd(bytes(2 << 20))), 1 << 20)


def test_records_refuses_json_traces_that_are_too_large() -> None:
    with pytest.raises(MalformedFile, match="larger than 1048576 bytes"):
        read(b'{"data":[{"spans":"' + b"x" * (4 << 20) + b'"}]}', 1 << 20)


class _Trickle(io.BytesIO):
    """Gives a few bytes at a time, as pipes do."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._step if size is None or size < 0 else min(size, self._step))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=4),
    st.sampled_from(["resourceSpans", "batches", "data"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_json_elements_do_not_depend_on_size_of_reads(
    found: list[dict[str, object]], name: str, is_indented: bool, step: int
) -> None:
    document = {"before": {name: [{}]}, name: found, "after": [{"a": found}]}
    text = json.dumps(document, indent=2 if is_indented else None).encode() + b"\n"
    trickle = cast("BinaryIO", _Trickle(text * 2, step))
    read_back = [json.loads(element.text) for element in elements(trickle.read, 1 << 20)]
    assert read_back == found * 2


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=4), st.integers(1, 40))
def test_lines_do_not_depend_on_size_of_reads(found: list[dict[str, object]], step: int) -> None:
    text = json.dumps({"resourceSpans": found}, separators=(",", ":")).encode() + b"\n"
    trickle = cast("BinaryIO", _Trickle(text * 2, step))
    read_back = [
        each
        for element in elements(trickle.read, 1 << 20)
        for each in (
            json.loads(element.text)["resourceSpans"] if element.is_whole else json.loads(b"[%b]" % element.text)
        )
    ]
    assert read_back == found * 2
