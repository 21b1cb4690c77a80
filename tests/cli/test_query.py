"""`spanlake query`: what it asks, prints and exits with."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.found import attribute, found_span, two_traces
from tests.cli.pages import page
from tests.cli.spans import START_NS
from tests.cli.tempo import Tempo

RANGE = ("--start", "2026-11-22T12:00", "--end", "2026-11-22T13:00:00Z")


def test_query_requests_search(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    run("query", "{ name = `a+b&c` }", *RANGE, "--limit", "7", "--spss", "2", "--tenant", "shop", "-H", "X-A: b: c")
    assert tempo.last.path == "/api/search"
    assert tempo.last.params == {
        "q": "{ name = `a+b&c` }",
        "start": "1795348800",
        "end": "1795352400",
        "limit": "7",
        "spss": "2",
    }
    assert tempo.last.headers["accept"] == "application/json"
    assert tempo.last.headers["x-scope-orgid"] == "shop"
    assert tempo.last.headers["x-a"] == "b: c"


def test_query_requests_query_range(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_series())
    run("query", "{} | rate()", *RANGE, "--step", "5m")
    assert tempo.last.path == "/api/metrics/query_range"
    assert tempo.last.params == {"q": "{} | rate()", "start": "1795348800", "end": "1795352400", "step": "300s"}


def test_query_without_step_leaves_it_to_server(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_series())
    run("query", "{} | rate()", *RANGE)
    assert "step" not in tempo.last.params


def test_query_prints_traces(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    result = run("query", "{ status = error }")
    assert result.exit_code == 0
    assert result.stdout == page(
        """
        Trace id                          Start                    Duration  Matched
        dc6e5acb6278826456b88e40d10c870e  2026-11-22 12:00:00.000      1.5s        5
          frontend  GET /checkout
            0000000000000001     +20ms     30ms  GET /cart
                status=error  http.status_code=503
            0000000000000002       +0s      1ms  bank       status=error
            and 3 more

        f5b165224a58b791                  2026-11-22 12:00:00.005      <1ms        1
          ?  ?
            3                     -5ms       0s

        2 traces.
        """
    )


def test_query_prints_traces_on_wide_terminal(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    lines = run("query", "{ status = error }", columns=120).stdout.splitlines()
    assert lines[0].endswith("  Matched  Root service          Root span")
    assert lines[1].endswith("        5  frontend              GET /checkout")
    assert lines[2] == "    0000000000000001     +20ms     30ms  GET /cart  status=error  http.status_code=503"


def test_query_prints_several_span_sets_with_attributes(tempo: Tempo, run: Run) -> None:
    answer = two_traces()
    count = attribute("count()", intValue="2")
    answer["traces"][0]["spanSets"] = [
        {"spans": [found_span(1, "a")], "attributes": [count, attribute("by(name)", stringValue="a")], "matched": 1},
        {"spans": [found_span(2, "b")], "matched": 1},
    ]
    tempo.answers(answer)
    assert run("query", "{} | by(name) | count() > 1").stdout.splitlines()[1:7] == [
        "dc6e5acb6278826456b88e40d10c870e  2026-11-22 12:00:00.000      1.5s        2",
        "  frontend  GET /checkout",
        "  1 span  count()=2  by(name)=a",
        "    0000000000000001       +0s      1ms  a",
        "  1 span",
        "    0000000000000002       +0s      1ms  b",
    ]


@pytest.mark.parametrize("key", ["spanSet", "spanSets"])
def test_query_reads_answers_of_old_and_new_servers(tempo: Tempo, run: Run, key: str) -> None:
    answer = two_traces()
    sets = answer["traces"][0].pop("spanSets")
    answer["traces"][0][key] = sets if key == "spanSets" else sets[0]
    tempo.answers(answer)
    assert "GET /cart" in run("query", "{}").stdout


def test_query_mentions_limit_when_reached(tempo: Tempo, run: Run) -> None:
    tempo.answers({**two_traces(), "message": "some blocks were left out"})
    last = run("query", "{}", "--limit", "2").stdout.splitlines()[-1]
    assert last == "2 traces, as many as --limit allows. some blocks were left out"


def two_series() -> dict[str, object]:
    values = {"cart": [0.0, 1.0, 2.0, 4.0], "auth": [1000.0, 2000.25, 0.0, 0.125]}
    return {
        "series": [
            {
                "labels": [attribute("resource.service.name", stringValue=name)],
                "samples": [
                    {"timestampMs": str(START_NS // 1_000_000 + 60_000 * number), "value": value}
                    for number, value in enumerate(samples)
                ],
            }
            for name, samples in values.items()
        ]
    }


def test_query_prints_series(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_series())
    result = run("query", "{} | rate() by (resource.service.name)")
    assert result.exit_code == 0
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "resource.service.name      Last   Min       Max       Avg   Over time",
        "─────────────────────────────────────────────────────────────────────",
        "auth                    0.125/s   0/s   2,000/s   750.1/s   ▄█▁▁",
        "cart                        4/s   0/s       4/s    1.75/s   ▁▃▅█",
        "2 series from 2026-11-22 12:00:00.000 to 2026-11-22 12:03:00.000.",
    ]


@pytest.mark.parametrize(
    ("labels", "heading", "names"),
    [
        ([[attribute("__name__", stringValue="rate")]], "Series", ["rate"]),
        (
            [[attribute("__bucket", doubleValue=bound)] for bound in (16.0, 2.0, 128.0)],
            "__bucket",
            ["2.0", "16.0", "128.0"],
        ),
        (
            [[attribute("a", stringValue="x"), attribute("b", stringValue=b)] for b in "zy"],
            "a, b",
            ["x, y", "x, z"],
        ),
        (
            [[attribute("a", stringValue="x")], [attribute("b", boolValue=True)], [attribute("b")]],
            "Series",
            ["a=x", "b=nil", "b=true"],
        ),
        ([[]], "Series", [""]),
    ],
)
def test_query_prints_labels_of_series(
    tempo: Tempo, run: Run, labels: list[object], heading: str, names: list[str]
) -> None:
    samples = [{"timestampMs": "60000", "value": 1}]
    tempo.answers({"series": [{"labels": labels, "samples": samples} for labels in labels]})
    head, _, *rows, _ = run("query", "{} | rate()").stdout.splitlines()
    assert head.split("  ")[0].strip() == heading
    assert [row[: row.index(" 1/s ")].strip() for row in rows] == names


def test_query_prints_samples_of_every_kind(tempo: Tempo, run: Run) -> None:
    tempo.answers({"series": [{"samples": [{"value": "NaN"}, {"timestampMs": 5}, {"value": "1e300"}]}, {}]})
    result = run("query", "{} | rate()")
    assert result.exit_code == 0
    assert " - " in result.stdout
    assert "1.000e+300" in result.stdout


@pytest.mark.parametrize(
    ("query", "complaint"),
    [("{ name = `a` }", "no trace matches from"), ("{} | rate()", "no time series from")],
)
def test_query_reports_nothing_found(tempo: Tempo, run: Run, query: str, complaint: str) -> None:
    tempo.answers({})
    result = run("query", query, *RANGE)
    assert (result.exit_code, result.stdout) == (1, "")
    told = f"spanlake: {complaint} 2026-11-22 12:00:00.000 to 2026-11-22 13:00:00.000\nnothing is stored\n"
    assert result.stderr == told


def test_query_on_narrow_terminal_fits(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    lines = run("query", "{ status = error }", columns=40).stdout.splitlines()
    assert lines[:4] == [
        "Trace id",
        "dc6e5acb6278826456b88e40d10c870e",
        "  2026-11-22 12:00:00.000  1.5s",
        "  5 matched",
    ]
    assert max(map(len, lines)) <= 40


def test_query_of_metrics_on_narrow_terminal_fits(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_series())
    lines = run("query", "{} | rate()", columns=40).stdout.splitlines()
    assert lines[:3] == ["resource.service.name=auth", "  last 0.125/s  min 0/s  max 2,000/s", "  avg 750.1/s"]
    assert max(map(len, lines)) <= 40


def test_query_instant_requests_one_value_a_series(tempo: Tempo, run: Run) -> None:
    labels = [attribute("name", stringValue="a")]
    tempo.answers({"series": [{"labels": labels, "value": 12345.0}, {"labels": [], "value": "NaN"}]})
    result = run("query", "{} | count_over_time() by (name)", *RANGE, "--instant", "--step", "1m")
    assert tempo.last.path == "/api/metrics/query"
    assert set(tempo.last.params) == {"q", "start", "end"}
    assert "name=a   12,345" in result.stdout


def test_query_instant_refuses_search(tempo: Tempo, run: Run) -> None:
    result = run("query", "{}", "--instant")
    assert (result.exit_code, tempo.asked) == (2, [])
    assert "--instant is for metrics" in result.stderr


@pytest.mark.parametrize(("query", "answer"), [("{}", two_traces()), ("{} | rate()", two_series())])
def test_query_json_prints_answer_unchanged(tempo: Tempo, run: Run, query: str, answer: object) -> None:
    tempo.answers(answer)
    result = run("query", query, "--json")
    assert (result.exit_code, result.stdout_bytes) == (0, json.dumps(answer).encode() + b"\n")


def test_query_json_prints_empty_answer(tempo: Tempo, run: Run) -> None:
    tempo.answers({"traces": []})
    result = run("query", "{}", "--json")
    assert (result.exit_code, result.stdout) == (1, '{"traces": []}\n')


def test_query_shows_error_of_server_at_position(tempo: Tempo, run: Run) -> None:
    tempo.answers(b"line 2, column 5: expected a value, found `}`\n", 400)
    result = run("query", "{ .a =\nほ = }")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == page(
        """
        spanlake: line 2, column 5: expected a value, found `}`
        ほ = }
             ^
        """
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dc6e5acb6278826456b88e40d10c870e", "spanlake trace dc6e5acb6278826456b88e40d10c870e"),
        ("SELECT * FROM spans", "SQL is for spanlake sql"),
        ("from spans", "SQL is for spanlake sql"),
    ],
)
def test_query_of_another_language_names_its_command(tempo: Tempo, run: Run, text: str, told: str) -> None:
    result = run("query", text)
    assert (result.exit_code, tempo.asked) == (2, [])
    assert told in result.stderr


def test_query_that_begins_with_a_stage_is_sent(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    assert run("query", "select (span.from)").exit_code == 0


def test_query_that_ends_early_is_told_of_quotes(tempo: Tempo, run: Run) -> None:
    tempo.answers(b"line 1, column 18: expected `}`, found the end\n", 400)
    result = run("query", "{ status = error ")
    assert result.stderr.splitlines()[-1] == (
        "(put the query into single quotes: a shell takes |, &, < and > in it for itself)"
    )


def test_query_sends_unparsable_query_to_server(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    assert run("query", "{} | something_new()").exit_code == 0


def test_query_escapes_control_characters_in_data(tempo: Tempo, run: Run) -> None:
    evil = "[bold red]\x1b]0;title\x07\r\n\x9b1A\u202etxt[/]:bomb:\ud800"
    answer = two_traces()
    answer["message"] = evil
    answer["traces"][0] |= {"traceID": evil, "rootServiceName": evil, "rootTraceName": evil}
    answer["traces"][0]["spanSets"][0]["spans"][0] |= {
        "spanID": evil,
        "name": evil,
        "attributes": [attribute(evil, stringValue=evil)],
    }
    tempo.answers(answer)
    shown = run("query", "{}", columns=300).stdout
    assert all(char.isprintable() for char in shown.replace("\n", ""))
    assert r"[bold red]\x1b]0;title\x07\r\n\x9b1A\u202etxt[/]:bomb:\ud800" in shown


def test_query_escapes_control_characters_in_labels(tempo: Tempo, run: Run) -> None:
    evil = "[red]\x1b[2J[/]"
    tempo.answers({"series": [{"labels": [attribute(evil, stringValue=evil)]}], "message": evil})
    shown = run("query", "{} | rate()", columns=200).stdout
    assert all(char.isprintable() for char in shown.replace("\n", ""))
    assert shown.count(r"[red]\x1b[2J[/]") == 3


def test_query_escapes_control_characters_in_errors(tempo: Tempo, run: Run) -> None:
    tempo.answers(b"line 1, column 2: \x1b[2J\x9b", 400)
    result = run("query", "{\x1b[2J}")
    assert "\x1b" not in result.stderr
    assert r"\x1b[2J" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--since", "soon"), "invalid --since: soon is not a duration"),
        (("--since", "0s"), "invalid --since: 0s is not a duration"),
        (("--since", "1h", "--start", "12"), "--since and --start exclude each other"),
        (("--start", "someday"), "invalid --start: someday is neither a time"),
        (("--start", "20", "--end", "20"), "the time range is empty"),
        (("--step", "x"), "invalid --step: x is not a duration"),
        (("--url", "localhost:3200"), "invalid --url localhost:3200"),
        (("--header", "secret"), "invalid --header: write it as"),
        (("--tenant", "a\nb"), "invalid tenant"),
    ],
)
def test_query_rejects_invalid_options(tempo: Tempo, run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    result = run("query", "{}", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"spanlake: {complaint}")
    assert not tempo.asked


@pytest.mark.parametrize("arguments", [(), ("--limit", "0"), ("--spss", "-1"), ("--timeout", "0"), ("--no-such", "1")])
def test_query_reports_usage_errors(tempo: Tempo, run: Run, arguments: tuple[str, ...]) -> None:
    assert run("query", *(["{}", *arguments] if arguments else [])).exit_code == 2
    assert not tempo.asked
