"""`spanlake trace`: what it asks, prints and exits with."""

import pytest

from tests.cli.conftest import Run
from tests.cli.pages import page
from tests.cli.spans import ID, MS, START_NS, of_service, shop, span, trace
from tests.cli.tempo import Tempo


def test_trace_requests_trace_by_id(tempo: Tempo, run: Run) -> None:
    tempo.answers_trace(shop())
    run("trace", ID, "--tenant", "shop", "--header", "Authorization: Bearer abc")
    assert (tempo.last.path, tempo.last.params) == (f"/api/v2/traces/{ID}", {})
    assert tempo.last.headers["accept"] == "application/protobuf"
    assert tempo.last.headers["x-scope-orgid"] == "shop"
    assert tempo.last.headers["authorization"] == "Bearer abc"


def test_trace_draws_waterfall(tempo: Tempo, run: Run) -> None:
    tempo.answers_trace(shop())
    result = run("trace", ID)
    assert result.exit_code == 0
    assert result.stdout == page(
        """
        Trace 0af7651916cd43dd8448eb211c80319c
        2026-11-22 12:00:00.000 UTC, 1s, 5 spans, 3 services, 2 errors

        Service, span             Duration  0s                    500ms               1s
        frontend GET /checkout          1s  ████████████████████████████████████████████
        ├╴cart SELECT carts          200ms      ▐████████▏
        ├╴✗ payment POST /charge     500ms               ██████████████████████▏
        │ └╴✗ payment bank             2ms               ▎
        └╴frontend render            100ms                                         ▐████
        """
    )


def test_trace_shortens_names_on_narrow_terminal(tempo: Tempo, run: Run) -> None:
    tempo.answers_trace(shop())
    assert run("trace", ID, columns=40).stdout.split("\n\n")[1] == page(
        """
        Service, span         Duration  0s      1s
        front… GET /checkout        1s  ██████████
        ├╴cart SELECT carts      200ms   ██
        ├╴✗ payme… POST /ch…     500ms     █████
        │ └╴✗ payment bank         2ms     ▏
        └╴frontend render        100ms           █
        """
    )


def test_trace_prints_attributes(tempo: Tempo, run: Run) -> None:
    spans = [span("charge", 1, length_ms=20, error=True), span("bank", 2, 1, start_ms=5, length_ms=5)]
    charge, bank = spans
    charge.kind, charge.status.message = charge.SPAN_KIND_SERVER, "card declined"
    charge.attributes.add(key="http.status_code").value.int_value = 402
    charge.attributes.add(key="http.url").value.string_value = "https://shop.example/charge?cart=17"
    charge.attributes.add(key="note").value.string_value = "second try, after a time out of the bank"
    charge.events.add(name="retry", time_unix_nano=START_NS + 7 * MS).attributes.add(key="n").value.int_value = 2
    charge.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8).attributes.add(key="why").value.string_value = "retry"
    bank.kind = 77  # type: ignore[assignment]  # a kind of the future
    answer = trace([of_service("payment", *spans)])
    answer.resource_spans[0].scope_spans[0].scope.name = "io.shop"
    tempo.answers_trace(answer)
    assert run("trace", ID, "--attributes").stdout.split("\n\n", 1)[1] == page(
        """
        Service, span     Duration  0s               6.67ms           13.3ms        20ms
        ✗ payment charge      20ms  ████████████████████████████████████████████████████
        │   span 0000000000000001  kind server  scope io.shop
        │   status card declined
        │   http.status_code=402  http.url=https://shop.example/charge?cart=17
        │   note="second try, after a time out of the bank"
        │   event +7ms retry  n=2
        │   link trace 01010101010101010101010101010101 span 0202020202020202  why=retry
        └╴payment bank         5ms               █████████████
              span 0000000000000002  kind 77  scope io.shop

        Resource payment
          service.name=payment
        """
    )


def test_trace_reports_orphans_and_other_oddities(tempo: Tempo, run: Run) -> None:
    odd = of_service(
        "",
        span("orphan", 1, parent=9, length_ms=10),
        span("own parent", 2, parent=2, length_ms=10),
        span("a", 3, parent=4, start_ms=2, length_ms=3),
        span("b", 4, parent=3, start_ms=1, length_ms=9),
        span("ends early", 5, start_ms=5, length_ms=-3),
        span("twin", 6, start_ms=6, length_ms=1),
        span("twin", 6, start_ms=6, length_ms=1),
        span("child of twins", 7, parent=6, start_ms=6, length_ms=0),
    )
    odd.scope_spans[0].spans.add(name="no times", span_id=b"x" * 8)
    tempo.answers_trace(trace([odd]), note="the trace is too large, this is a part of it")
    assert run("trace", ID).stdout == page(
        """
        Trace 0af7651916cd43dd8448eb211c80319c
        2026-11-22 12:00:00.000 UTC, 10ms, 9 spans, 1 service, 0 errors

        Service, span       Duration  0s              3.33ms           6.67ms       10ms
        ? no times                0s
        ⋯ ? orphan              10ms  ██████████████████████████████████████████████████
        ? ends early            -3ms                           ▏
        ? twin                   1ms                                █████
        └╴? child of twins        0s                                ▏
        ? twin                   1ms                                █████
        ↻ ? own parent          10ms  ██████████████████████████████████████████████████
        ↻ ? b                    9ms       █████████████████████████████████████████████
        └╴? a                    3ms            ███████████████

        ⋯ 1 span whose parent is not in the trace.
        ↻ 2 spans whose ancestors form a cycle.
        the trace is too large, this is a part of it
        """
    )


@pytest.mark.parametrize(("most", "lines"), [("1", 1), ("4", 4), ("5", 5), ("0", 5), ("1000", 5)])
def test_trace_prints_at_most_requested_spans(tempo: Tempo, run: Run, most: str, lines: int) -> None:
    tempo.answers_trace(shop())
    shown = run("trace", ID, "--max-spans", most).stdout
    assert len(shown.split("\n\n")[1].splitlines()) == 1 + lines
    rest = {1: "4 spans not shown", 4: "1 span not shown"}
    assert ("not shown" in shown) == (lines in rest)
    assert rest.get(lines, "") in shown


def test_trace_draws_chain_of_thousands(tempo: Tempo, run: Run) -> None:
    deep = 3000
    chain = (span(f"level {number}", number, number - 1, length_ms=deep) for number in range(1, deep + 1))
    tempo.answers_trace(trace([of_service("deep", *chain)]))
    shown = run("trace", ID, "--max-spans", "0").stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert "…" in shown[-1]
    assert f"deep level {deep}" in shown[-1]


def test_trace_escapes_control_characters_in_data(tempo: Tempo, run: Run) -> None:
    evil = "[bold red]\x1b]0;title\x07\x1b[2J\r\n\x9b1A\u202etxt.exe[/]:bomb:"
    answer = trace([of_service(evil, span(evil, 1, error=True))])
    charged = answer.resource_spans[0].scope_spans[0]
    charged.scope.name = charged.scope.version = charged.spans[0].status.message = evil
    charged.spans[0].attributes.add(key=evil).value.string_value = evil
    charged.spans[0].attributes.add(key="list").value.array_value.values.add().string_value = evil
    charged.spans[0].attributes.add(key="map").value.kvlist_value.values.add(key=evil).value.string_value = evil
    charged.spans[0].events.add(name=evil)
    tempo.answers_trace(answer, note=evil)
    shown = run("trace", ID, "--attributes", columns=300).stdout
    assert all(char.isprintable() for char in shown.replace("\n", ""))
    assert r"[bold red]\x1b]0;title\x07\x1b[2J\r\n\x9b1A\u202etxt.exe[/]:bomb:" in shown


def test_trace_reports_unknown_trace(tempo: Tempo, run: Run) -> None:
    tempo.answers_trace(None)
    result = run("trace", ID)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"spanlake: {tempo.url} has no trace {ID}\n"


def test_trace_of_a_short_id_says_how_it_was_read(tempo: Tempo, run: Run) -> None:
    tempo.answers(b"trace not found", 404)
    told = run("trace", "0af76519").stderr
    assert told == f"spanlake: {tempo.url} has no trace 0af76519: 8 digits are the last of 32, the others being 0\n"


@pytest.mark.parametrize(
    ("status", "body", "exit_code", "complaint"),
    [
        (404, b"trace not found", 1, "has no trace"),
        (404, {"detail": "trace not found"}, 1, "has no trace"),
        (404, b"", 1, "has no trace"),
        (
            404,
            b"404 page not found",
            2,
            "/api/v2/traces/0af7651916cd43dd8448eb211c80319c answered 404: is it the address",
        ),
        (404, b"<html>nginx</html>", 2, "answered 404: is it the address of a Tempo API"),
        (404, b"Not Found: spans are sent to /v1/traces here", 2, "answered 404: Not Found: spans"),
        (400, b"trace IDs can only contain hex characters", 2, "trace IDs can only contain hex characters"),
        (200, b"<html>", 2, "not a trace in protobuf"),
        (200, b"\x0a\x03abc", 2, "not a trace in protobuf"),
    ],
)
def test_trace_reports_malformed_answer(
    tempo: Tempo, run: Run, status: int, body: object, exit_code: int, complaint: str
) -> None:
    tempo.answers(body, status)
    result = run("trace", ID)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert complaint in result.stderr


@pytest.mark.parametrize("spelled", [f"1-{ID[:8]}-{ID[8:]}", f"{ID[:8]}-{ID[8:12]}-{ID[12:16]}-{ID[16:20]}-{ID[20:]}"])
def test_trace_takes_ids_with_dashes(tempo: Tempo, run: Run, spelled: str) -> None:
    tempo.answers_trace(shop())
    result = run("trace", spelled)
    assert (result.exit_code, tempo.last.path) == (0, f"/api/v2/traces/{ID}")
    assert result.stdout.startswith(f"Trace {ID}")


@pytest.mark.parametrize("wrong", ["", "zz", "0x1f", "a/b", "..", "1" * 33, "\x1b[2J"])
def test_trace_rejects_malformed_id(tempo: Tempo, run: Run, wrong: str) -> None:
    result = run("trace", wrong)
    assert result.exit_code == 2
    assert "write 1 to 32 hex digits" in result.stderr
    assert "\x1b" not in result.stderr
    assert not tempo.asked


@pytest.mark.parametrize("key", ["resourceSpans", "batches"])
def test_trace_json_prints_answer(tempo: Tempo, run: Run, key: str) -> None:
    body = b'{"trace": {"%s": [{}]},\n "x": "\xc3\xbc"}' % key.encode()
    tempo.answers(body)
    result = run("trace", ID, "--json")
    assert (result.exit_code, result.stdout_bytes) == (0, body + b"\n")
    assert tempo.last.headers["accept"] == "application/json"


@pytest.mark.parametrize("body", [b"{}", b'{"trace":{}}', b'{"trace":null}'])
def test_trace_json_of_unknown_trace_prints_answer_and_fails(tempo: Tempo, run: Run, body: bytes) -> None:
    tempo.answers(body)
    result = run("trace", ID, "--json")
    assert (result.exit_code, result.stdout_bytes) == (1, body + b"\n")
