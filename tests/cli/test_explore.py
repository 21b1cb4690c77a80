"""The commands that explore traces, asking a real `spanlake serve` and a store without one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result

from spanlake.cli.client.client import connect
from spanlake.cli.commands import register
from spanlake.cli.tail import Follower
from tests.cli.spans import ID, MS, shop
from tests.server_process import SPANLAKE, SpanlakeServer

REASON = "card declined"


def shop_request(trace_id: str) -> bytes:
    """A request through the shop a moment ago, its failure explained, and its cart with attributes."""
    request = ExportTraceServiceRequest(resource_spans=shop().resource_spans)
    now = time.time_ns() - 5000 * MS
    for resource in request.resource_spans:
        for span in resource.scope_spans[0].spans:
            length = span.end_time_unix_nano - span.start_time_unix_nano
            span.trace_id = bytes.fromhex(trace_id)
            span.start_time_unix_nano, span.end_time_unix_nano = now, now + length
            if span.name == "POST /charge":
                span.status.message = REASON
            if span.name == "SELECT carts":
                span.attributes.add(key="http.status_code").value.int_value = 200
                span.attributes.add(key="db.system").value.string_value = "postgresql"
    return request.SerializeToString()


@pytest.fixture(scope="module", params=["server", "store"])
def where(
    request: pytest.FixtureRequest, server: SpanlakeServer, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The options that name the source of answers: a server, and the data directory of one that has ended."""
    if request.param == "server":
        tenant = "explored"
        assert server.post_traces(shop_request(ID), headers={"X-Scope-OrgID": tenant}).status == 200
        return ["--url", server.tempo, "--tenant", tenant]
    directory = tmp_path_factory.mktemp("explored") / "data"
    own = SpanlakeServer(directory)
    try:
        own.wait_until_ready()
        assert own.post_traces(shop_request(ID)).status == 200
    finally:
        own.stop()
    return ["--data", str(directory)]


def run(*arguments: str, columns: int = 100, given: str | None = None) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns)}, input=given, catch_exceptions=False)


def test_tags_are_listed_as_queries_spell_them(where: list[str]) -> None:
    assert run("tags", *where).stdout.split() == ["resource.service.name", "span.db.system", "span.http.status_code"]
    assert run("tags", "resource", *where).stdout.split() == ["resource.service.name"]
    assert "rootServiceName" in run("tags", "intrinsic", *where).stdout.split()
    assert run("tags", "--query", '{ name = "render" }', *where).stdout.split() == ["resource.service.name"]


def test_tags_of_unknown_scope_are_refused(where: list[str]) -> None:
    result = run("tags", "spam", *where)
    assert result.exit_code == 2
    assert "write one of resource, span" in result.stderr


@pytest.mark.parametrize("name", ["resource.service.name", "service.name", ".service.name"])
def test_values_are_listed_for_any_spelling_of_a_name(where: list[str], name: str) -> None:
    assert run("values", name, *where).stdout.split() == ["cart", "frontend", "payment"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("span.nothing", "no span has span.nothing: there is no such attribute\n"),
        ("resource.servce.name", "did you mean resource.service.name?"),
        ("resorce.service.name", "did you mean resource.service.name?"),
        ("span.service.name", "did you mean resource.service.name?"),
        ("span.status", "did you mean status?"),
    ],
)
def test_values_of_unknown_attribute_name_known_ones(where: list[str], name: str, reason: str) -> None:
    result = run("values", name, *where)
    assert (result.exit_code, result.stdout) == (1, "")
    assert reason in result.stderr


def test_values_of_known_attribute_in_no_span_are_not_explained(where: list[str]) -> None:
    result = run("values", "span.db.system", "--query", '{ name = "render" }', *where)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("command", [("tags",), ("values", "service.name"), ("services",), ("query", "{}")])
def test_command_in_another_range_says_where_spans_are(where: list[str], command: tuple[str, ...]) -> None:
    result = run(*command, "--start", "2020-01-01", "--end", "2020-01-02", *where)
    assert result.exit_code == 1
    assert f"spans are stored from {time.strftime('%Y-%m-%d')}" in result.stderr


def test_services_are_counted_with_their_errors(where: list[str]) -> None:
    found = [json.loads(line) for line in run("services", "--json", *where).stdout.splitlines()]
    counts = {each["name"]: (each["spans"], each["errors"]) for each in found}
    assert counts == {"frontend": (2, 0), "payment": (2, 2), "cart": (1, 0)}
    assert all(each["p50_seconds"] <= each["p99_seconds"] for each in found)
    row = next(line for line in run("services", *where).stdout.splitlines() if line.startswith("payment"))
    assert row.split()[1:4] == ["2", "2", "100%"]
    assert max(map(len, run("services", *where, columns=40).stdout.splitlines())) <= 40


def test_query_and_trace_read_the_same(where: list[str]) -> None:
    assert ID.lstrip("0") in run("query", "{ status = error }", *where).stdout
    assert REASON in run("trace", ID, *where).stdout


def test_diff_of_a_trace_with_itself_shows_no_change(where: list[str]) -> None:
    lines = run("diff", ID, ID.upper(), *where).stdout.splitlines()
    assert lines[0].split() == ["Operation", "First", "Second", "Change"]
    services = [line.split()[0] for line in lines[1:6]]
    assert services[0] == "frontend"
    assert sorted(services) == ["cart", "frontend", "frontend", "payment", "payment"]
    assert not any("new" in line or "gone" in line or "+" in line for line in lines)
    assert json.loads(run("diff", ID, ID, "--json", *where).stdout)["left"]["spans"] == 5


def test_diff_names_the_trace_that_is_missing(where: list[str]) -> None:
    result = run("diff", ID, "abc", *where)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no trace abc" in result.stderr
    assert ID not in result.stderr


@pytest.mark.parametrize(
    "spelling",
    [f"00-{ID}-00f067aa0ba902b7-01", "0af76519-16cd-43dd-8448-eb211c80319c", f"1-{ID[:8]}-{ID[8:]}", ID.upper()],
)
def test_trace_takes_ids_in_any_spelling(where: list[str], spelling: str) -> None:
    assert run("trace", spelling, *where).exit_code == 0


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('{ resource.service.name = "frontned" }', 'did you mean "frontend"?'),
        ('{ status = error && resource.service.name = "Cart" }', 'did you mean "cart"?'),
        ("{ span.http.statuscode = 200 }", "there is no such attribute; did you mean span.http.status_code?"),
        ("{ resource.db.system != nil && resource.db.system = `x` }", "did you mean span.db.system?"),
        ('{ span.http.status_code = "200" }', "span.http.status_code is int here, and string in the query"),
        ("{ status = error } >> { span.http.status_code = 404 }", "no span has span.http.status_code = 404"),
        ('{ status = error && resource.service.name = "cart" }', "no span or trace matches all of them"),
        ('{ name = "nothing" } | rate()', "no span has name = `nothing`"),
        (
            '{ name = "GET*" }',
            "no span has name = `GET*`: = takes * as it stands; write =~ `GET.*` for a part of the text",
        ),
        ('{ name =~ "checkout" }', "=~ matches the whole text; write =~ `.*checkout.*` for a part of it"),
        ('{ name =~ "check|pay" }', "write =~ `.*(check|pay).*` for a part of it"),
        ("{} | avg(span.http.status_cod) > 1", "no span has span.http.status_cod: there is no such attribute"),
    ],
)
def test_query_says_why_nothing_is_found(where: list[str], query: str, reason: str) -> None:
    result = run("query", query, *where)
    if result.exit_code == 0:  # metrics have series of zeros where the server sends them
        assert "rate" in query
        return
    assert result.exit_code == 1
    assert reason in result.stderr


def test_query_without_results_in_json_explains_nothing(where: list[str]) -> None:
    result = run("query", "{ name = `nothing` }", "--json", *where)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_query_that_measures_a_missing_attribute_says_so(where: list[str]) -> None:
    result = run("query", "{} | avg_over_time(span.http.status_cod)", *where)
    assert result.exit_code == 1
    assert "no span has span.http.status_cod: there is no such attribute; did you mean" in result.stderr
    assert "all of them" not in result.stderr


def test_query_by_a_missing_attribute_says_so_beside_its_answer(where: list[str]) -> None:
    result = run("query", "{} | count_over_time() by (resource.servce.name)", "--instant", *where)
    assert result.exit_code == 0
    assert "nil" in result.stdout
    assert "no span has resource.servce.name: there is no such attribute; did you mean resource.s" in result.stderr
    assert run("query", "{} | count_over_time() by (span.db.system)", "--instant", *where).stderr == ""


def test_tail_returns_each_new_trace_once(server: SpanlakeServer, tenant: str) -> None:
    follow = Follower(connect(server.tempo, tenant, (), 30), "{ status = error }")
    assert follow.new_traces() == []
    first, second = "1" * 32, "2" * 32
    server.post_traces(shop_request(first), headers={"X-Scope-OrgID": tenant})
    assert [found["traceID"] for found in follow.new_traces()] == [first]
    server.post_traces(shop_request(second), headers={"X-Scope-OrgID": tenant})
    assert [found["traceID"] for found in follow.new_traces()] == [second]
    assert follow.new_traces() == []


def test_tail_refuses_metrics(where: list[str]) -> None:
    assert run("tail", "{} | rate()", *where).exit_code == 2


def test_delete_asks_first(server: SpanlakeServer, tenant: str) -> None:
    options = ("--url", server.tempo, "--tenant", tenant)
    server.post_traces(shop_request(ID), headers={"X-Scope-OrgID": tenant})
    assert run("delete", ID, *options, given="n\n").exit_code == 2
    assert run("trace", ID, *options).exit_code == 0
    assert run("delete", ID, *options, given="y\n").exit_code == 0
    assert run("trace", ID, *options).exit_code == 1
    assert run("delete", ID, "--yes", *options).exit_code == 1


def test_delete_that_nobody_confirms_is_an_error(server: SpanlakeServer, tenant: str) -> None:
    result = run("delete", ID, "--url", server.tempo, "--tenant", tenant, given="")
    assert result.exit_code == 2
    assert result.stderr.endswith("spanlake: nothing was deleted; --yes deletes without a question\n")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The data directory of a server that has ended, with two traces, one of them deleted."""
    own = SpanlakeServer(tmp_path / "data")
    try:
        own.wait_until_ready()
        for trace_id in (ID, "2" * 32):
            assert own.post_traces(shop_request(trace_id)).status == 200
        assert run("delete", "2" * 32, "--yes", "--url", own.tempo).exit_code == 0
    finally:
        own.stop()
    return tmp_path / "data"


def test_sql_reads_live_spans(store: Path) -> None:
    text = "SELECT name, count(*) AS n FROM spans GROUP BY ALL ORDER BY ALL"
    rows = [json.loads(line) for line in run("sql", text, "--json", "--data", str(store)).stdout.splitlines()]
    assert [row["name"] for row in rows] == ["GET /checkout", "POST /charge", "SELECT carts", "bank", "render"]
    assert {row["n"] for row in rows} == {1}
    assert "SELECT carts" in run("sql", "-", "--data", str(store), given=text).stdout


def test_sql_says_that_it_asks_no_server(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLAKE_URL", "http://localhost:12300")
    assert f"Reads {store} itself" in run("sql", "SELECT 1", "--data", str(store)).stderr


def test_sql_reports_errors_of_statements(store: Path) -> None:
    result = run("sql", "SELECT nothing FROM spans", "--data", str(store))
    assert result.exit_code == 2
    assert 'column "nothing" not found' in result.stderr


def test_sql_names_its_view_for_an_unknown_table(store: Path) -> None:
    result = run("sql", "SELECT * FROM traces", "--data", str(store))
    assert result.exit_code == 2
    assert "the spans are in the view spans" in result.stderr
    assert "Did you mean" not in result.stderr


def test_sql_says_how_many_rows_are_left_out(store: Path) -> None:
    result = run("sql", "SELECT * FROM range(5)", "--limit", "2", "--data", str(store))
    assert result.exit_code == 0
    assert "the first 2 rows" in result.stderr


@pytest.mark.parametrize("arguments", [("tags",), (), ("-h",), ("query", "--help"), ("serve", "--help")])
def test_output_whose_reader_has_gone_is_no_error(where: list[str], arguments: tuple[str, ...]) -> None:
    command = " ".join([*SPANLAKE, *arguments, *(where if arguments == ("tags",) else ())])
    script = f"set -o pipefail; {command} | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_output_that_cannot_be_written_is_an_error(where: list[str], as_json: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SPANLAKE, "tags", *where, *as_json], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "spanlake: the output cannot be written: No space left on device\n"


def test_version_is_printed() -> None:
    done = subprocess.run([*SPANLAKE, "-V"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("spanlake 0.")
    assert sys.version_info >= (3, 11)
