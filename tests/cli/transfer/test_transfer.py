"""``spanlake export`` and ``spanlake import``: what leaves a store can come back, and nothing is lost in between."""

import base64
import gzip
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from typer.testing import CliRunner, Result

from spanlake.api.tempo.trace_json import items, trace_v1, trace_v2
from spanlake.cli.commands import register
from spanlake.cli.storage import opened
from spanlake.cli.transfer.matching import matching_traces
from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.encode import to_otlp
from spanlake.spans.otlp.files import json_line, protobuf_record
from spanlake.spans.otlp.validate import validate
from spanlake.store.index.base import by_day
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.transfer.export import Selection, export
from tests.cloud import Cloud
from tests.payloads import export_request
from tests.spans import otlp_requests

DAY_NS = 86_400 * 10**9


def run(*arguments: object) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


def traces_in(data: Path, tenant: str = "single-tenant") -> list[TracesData]:
    index = SqliteIndex(data / "index.sqlite")
    try:
        return [each.traces for each in export(LocalObjects(data), index, Selection(tenant))]
    finally:
        index.close()


def names(data: Path, tenant: str = "single-tenant") -> list[str]:
    found = (group for traces in traces_in(data, tenant) for group in traces.resource_spans)
    return sorted(span.name for group in found for scope in group.scope_spans for span in scope.spans)


def traces(*names: str, **fields: int) -> TracesData:
    return TracesData(resource_spans=export_request(*names, **fields).resource_spans)


def file_of(path: Path, *requests: TracesData) -> Path:
    path.write_bytes(b"".join(map(protobuf_record, requests)))
    return path


@settings(max_examples=25, deadline=None)
@given(
    st.lists(otlp_requests.requests, min_size=1, max_size=3),
    st.sampled_from(["json", "proto"]),
    st.sampled_from(["", ".gz", ".zst"]),
)
def test_export_and_import_restore_equal_spans(
    requests: Sequence[ExportTraceServiceRequest], file_format: str, suffix: str
) -> None:
    kept = validate(
        decode([request.SerializeToString() for request in requests]), oldest_ns=None, newest_ns=time.time_ns() + DAY_NS
    ).table
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        run(
            "import",
            file_of(here / "in", *(TracesData(resource_spans=each.resource_spans) for each in requests)),
            "--data",
            here / "first",
        )
        exported = run("export", here / f"out{suffix}", "--format", file_format, "--data", here / "first")
        assert exported.exit_code == (0 if kept.num_rows else 1)
        imported = run("import", here / f"out{suffix}", "--data", here / "second")
        assert imported.exit_code == (0 if kept.num_rows else 1)
        expected = otlp_requests.normal(to_otlp(kept))
        assert otlp_requests.normal(*traces_in(here / "first")) == expected
        assert otlp_requests.normal(*traces_in(here / "second")) == expected


def test_import_stores_file_imported_twice_once(tmp_path: Path) -> None:
    file = file_of(tmp_path / "file", traces("a", "b"), traces("c"))
    for _ in range(2):
        assert run("import", file, "--data", tmp_path / "data").stdout == "3 spans imported from 1 file\n"
    assert names(tmp_path / "data") == ["a", "b", "c"]


def test_import_stores_spans_under_named_tenant(tmp_path: Path) -> None:
    file = file_of(tmp_path / "file", traces("a"))
    run("import", file, "--data", tmp_path / "data", "--tenant", "shop")
    assert names(tmp_path / "data", "shop") == ["a"]
    assert run("export", tmp_path / "out", "--data", tmp_path / "data").exit_code == 1
    result = run("export", tmp_path / "out", "--data", tmp_path / "data", "--tenant", "shop")
    assert (result.exit_code, result.stderr) == (0, "1 span exported\n")
    assert run("import", file, "--data", tmp_path / "data", "--tenant", "a|b").exit_code == 2


def test_import_explains_refusal_of_spans_older_than_retention(tmp_path: Path) -> None:
    file = file_of(tmp_path / "file", traces("old", start_ns=time.time_ns() - 8 * DAY_NS), traces("new"))
    result = run("import", file, "--data", tmp_path / "data", "--retention", "7d")
    assert result.exit_code == 0
    assert result.stdout == "1 span imported from 1 file\n"
    assert "1 span was not stored: the span started before the retention period: raise --retention" in result.stderr


def test_import_keeps_stored_blocks_when_retention_refuses_part_later(tmp_path: Path) -> None:
    midnight = time.time_ns() // DAY_NS * DAY_NS
    hours = [traces(f"{number}", start_ns=midnight + number) for number in range(2)]
    file = file_of(tmp_path / "file", *hours)
    run("import", file, "--data", tmp_path / "data")
    age = (time.time_ns() - midnight) // 10**9 + 3600
    run("import", file, "--data", tmp_path / "data", "--retention", f"{age}s")
    assert set(names(tmp_path / "data")) == {"0", "1"}


def jaeger_file(path: Path, *spans: object) -> Path:
    processes = {"p1": {"serviceName": "shop", "tags": []}}
    path.write_text(json.dumps({"data": [{"traceID": "1", "spans": spans, "processes": processes}], "total": 0}))
    return path


def test_import_reads_jaeger_json(tmp_path: Path) -> None:
    span = {"traceID": "1", "spanID": "2", "operationName": "get", "startTime": time.time_ns() // 1000, "duration": 5}
    good = span | {"processID": "p1"}
    result = run(
        "import", jaeger_file(tmp_path / "trace.json", good, good | {"startTime": "x"}), "--data", tmp_path / "d"
    )
    assert result.exit_code == 0
    assert "1 span was not stored: the span cannot be read" in result.stderr
    (found,) = traces_in(tmp_path / "d")
    assert found.resource_spans[0].resource.attributes[0].value.string_value == "shop"
    assert names(tmp_path / "d") == ["get"]


@pytest.mark.parametrize(
    "write",
    [
        lambda found: trace_v1([items(found)]),
        lambda found: trace_v2([items(found)]),
        json_line,
        TracesData.SerializeToString,
    ],
)
def test_import_reads_other_formats(write: object, tmp_path: Path) -> None:
    found = traces("a", "b")
    (tmp_path / "file").write_bytes(gzip.compress(write(found)))  # type: ignore[operator]
    assert run("import", tmp_path / "file", "--data", tmp_path / "data").exit_code == 0
    assert otlp_requests.normal(*traces_in(tmp_path / "data")) == otlp_requests.normal(found)


def test_import_reads_truncated_file_up_to_its_end(tmp_path: Path) -> None:
    whole = b"".join(map(protobuf_record, [traces("a"), traces("b")]))
    (tmp_path / "cut").write_bytes(whole[:-1])
    good = file_of(tmp_path / "good", traces("c"))
    result = run("import", tmp_path / "cut", good, "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert result.stdout == "2 spans imported from 2 files\n"
    assert f"{tmp_path}/cut: at byte" in result.stderr
    assert "cut short" in result.stderr
    assert names(tmp_path / "data") == ["a", "c"]


def test_import_reports_damaged_line_and_stores_others(tmp_path: Path) -> None:
    good = json_line(traces("a")), json_line(traces("b"))
    (tmp_path / "file").write_bytes(good[0] + good[0][:40] + b"\n" + good[1])
    result = run("import", tmp_path / "file", "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert "the body is not JSON" in result.stderr
    assert names(tmp_path / "data") == ["a", "b"]


def test_import_reports_message_that_is_not_otlp(tmp_path: Path) -> None:
    bad = b"\xff" * 7
    (tmp_path / "file").write_bytes(protobuf_record(traces("a")) + len(bad).to_bytes(4) + bad)
    result = run("import", tmp_path / "file", "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert "not an OTLP trace export request" in result.stderr
    assert names(tmp_path / "data") == ["a"]


def test_import_reports_missing_file_before_storing(tmp_path: Path) -> None:
    result = run("import", file_of(tmp_path / "file", traces("a")), tmp_path / "gone", "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert "gone cannot be read: No such file or directory" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with spans of three days; those of the second have a trace of their own."""
    start = 1_790_000_000 * 10**9
    requests = [export_request(f"day {day}", start_ns=start + day * DAY_NS) for day in range(3)]
    requests[1].resource_spans[0].scope_spans[0].spans[0].trace_id = b"u" * 16
    file = file_of(tmp_path / "file", *(TracesData(resource_spans=each.resource_spans) for each in requests))
    run("import", file, "--data", tmp_path / "data")
    return tmp_path / "data"


def exported(data: Path, *arguments: object) -> list[str]:
    out = data.parent / "out.jsonl"
    out.unlink(missing_ok=True)
    run("export", out, "--data", data, *arguments)
    lines = out.read_text().splitlines() if out.exists() else []
    found = (group for line in lines for group in json.loads(line)["resourceSpans"])
    return [span["name"] for group in found for scope in group["scopeSpans"] for span in scope["spans"]]


def test_export_includes_start_and_excludes_end_of_range(data: Path) -> None:
    day = 86_400
    assert exported(data) == ["day 0", "day 1", "day 2"]
    assert exported(data, "--start", 1_790_000_000, "--end", 1_790_000_000 + day) == ["day 0"]
    assert exported(data, "--start", 1_790_000_000 + day) == ["day 1", "day 2"]
    assert exported(data, "--start", 5, "--end", 6) == []


def test_export_selects_traces_by_query(data: Path) -> None:
    assert exported(data, "--query", '{ name = "day 1" }') == ["day 1"]
    assert exported(data, "--query", '{ name = "day 7" }') == []
    assert "day 0" in exported(data, "--query", '{ name =~ "day.*" }', "--end", 1_790_000_000 + 60)
    broken = run("export", data.parent / "out", "--data", data, "--query", "{ name = ")
    assert broken.exit_code == 2


def test_matching_traces_divides_ranges_that_hold_more_than_a_search_finds(tmp_path: Path) -> None:
    start = 1_790_000_000 * 10**9
    many = []
    for number in range(100):
        request = export_request(f"{number}", start_ns=start + number * 10**9)
        request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"n" * 8 + number.to_bytes(8)
        many.append(TracesData(resource_spans=request.resource_spans))
    run("import", file_of(tmp_path / "file", *many), "--data", tmp_path / "data")
    with opened(tmp_path / "data") as (objects, index):
        bounds = (start, start + 100 * 10**9)
        found = matching_traces(objects, index, "single-tenant", "{ duration > 0 }", bounds, together=7)
    assert len(found) == 100
    assert len(exported(tmp_path / "data", "--query", "{ duration > 0 }")) == 100


def test_export_leaves_file_unchanged_on_failure(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("before")
    for block in (data / "spans").rglob("*.parquet"):
        block.write_bytes(b"damaged")
    assert run("export", out, "--data", data).exit_code == 2
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file", "out"]


def test_export_refuses_other_formats(data: Path) -> None:
    result = run("export", data.parent / "out", "--data", data, "--format", "csv")
    assert result.exit_code == 2
    assert "write json or proto" in result.stderr


def test_export_writes_to_standard_output(data: Path) -> None:
    result = run("export", "-", "--data", data)
    assert len(json.loads(result.stdout.splitlines()[0])["resourceSpans"]) == 1


def test_import_of_empty_file_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert run("import", tmp_path / "empty", "--data", tmp_path / "data").exit_code == 1


def test_import_rejects_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(base64.b64encode(b"something else, of some length"))
    result = run("import", tmp_path / "file", "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert "unknown format" in result.stderr
    index = SqliteIndex(tmp_path / "data" / "index.sqlite")
    assert by_day(index.summary()) == []
    index.close()


def test_import_and_export_use_storage_on_aws(tmp_path: Path, cloud: Cloud) -> None:
    where = ["--objects", f"s3://{cloud.bucket()}/lake", "--index", f"dynamodb://{cloud.table()}"]
    sent = traces("a", "b")
    for _ in range(2):
        assert run("import", file_of(tmp_path / "in", sent), "--retention", "7d", *where).exit_code == 0
    assert run("export", tmp_path / "out", *where).exit_code == 0
    assert run("export", tmp_path / "found", "--query", '{ name = "a" }', *where).exit_code == 0
    run("import", tmp_path / "out", "--data", tmp_path / "data")
    assert otlp_requests.normal(*traces_in(tmp_path / "data")) == otlp_requests.normal(sent)
