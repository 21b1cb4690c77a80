"""Every limit of a query, met by a real one over HTTP: the status, and a message that names the limit and its flag."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.query.kit import NOON, SECOND, At, request
from tests.server_process import SpanlakeServer

RANGE = {"start": NOON // SECOND - 60, "end": NOON // SECOND + 60, "step": "10s"}
SPANS = [At(n, n - 1, trace=n // 40 + 1, start=n, attributes={"n": n, "k": f"{n:>9}" * 9}) for n in range(1, 4001)]
COUNTS = ("--query-spans", "3999", "--query-series", "9", "--query-points", "130")
SIZES = ("--query-spansets", "5", "--query-terms", "20")


def _running(directory: Path, *arguments: str) -> Iterator[SpanlakeServer]:
    running = SpanlakeServer(directory / "data", arguments)
    try:
        running.wait_until_ready()
        assert running.post_traces(request(SPANS)).status == 200
        assert running.post_traces(request(SPANS[:30]), headers={"X-Scope-OrgID": "few"}).status == 200
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server of small counts."""
    yield from _running(tmp_path_factory.mktemp("counting"), *COUNTS, *SIZES)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server of little time."""
    yield from _running(tmp_path_factory.mktemp("hasty"), "--query-timeout", "0.1", "--query-spans", "0")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server of little memory."""
    yield from _running(tmp_path_factory.mktemp("narrow"), "--query-memory", "1MiB")


def refused(server: SpanlakeServer, path: str, q: str, tenant: str = "single-tenant", **more: Any) -> tuple[int, str]:
    found = server.get(f"{path}?{urlencode(RANGE | more | {'q': q})}", {"X-Scope-OrgID": tenant})
    return found.status, found.body.decode()


@pytest.mark.parametrize(
    ("path", "q"),
    [
        ("/api/search", "{}"),
        ("/api/search", "{} >> {} | count() > 9"),
        ("/api/metrics/query_range", "{} | rate()"),
        ("/api/metrics/query_range", "{} | compare({ span.n = 1 })"),
        ("/api/metrics/query", "{} | rate()"),
        ("/api/v2/search/tags", "{ span.n = 1 }"),
        ("/api/v2/search/tag/span.n/values", ""),
    ],
)
def test_spans(counting: SpanlakeServer, path: str, q: str) -> None:
    status, message = refused(counting, path, q)
    assert (status, "more than 3999 spans" in message, "--query-spans" in message) == (422, True, True), message[:300]


@pytest.mark.parametrize(
    ("q", "more", "status", "parts"),
    [
        ("{} | rate() by (span.n)", {}, 422, ("more than 9 series", "--query-series")),
        ("{ span.n < 9 } | rate() by (span.n)", {"step": "1s"}, 422, ("more than 130 points", "--query-points")),
        ("{} | rate()", {"step": "1ms"}, 422, ("120001 steps", "longer step")),
        (" || ".join(["{}"] * 6) + " | rate()", {}, 400, ("6 spansets and stages", "--query-spansets")),
        ("{ " + " || ".join(["span.n = 1"] * 8) + " } | rate()", {}, 400, ("23 fields and operators", "--query-terms")),
        ("{ " + "(" * 200 + "true" + ")" * 200 + " } | rate()", {}, 400, ("nested more than 100 deep",)),
        ("{ " + " + ".join(["span.n"] * 3) + " > 1 } | rate()", {}, 400, ("24 fields and operators", "--query-terms")),
        ("{ } | quantile_over_time(duration, .5, .9, .99)", {}, 400, ("31 fields and operators", "--query-terms")),
        ("{ name = `" + "x" * (128 << 10) + "` } | rate()", {}, 400, ("longer than 131072 characters",)),
    ],
)
def test_counts(counting: SpanlakeServer, q: str, more: dict[str, str], status: int, parts: tuple[str, ...]) -> None:
    found, message = refused(counting, "/api/metrics/query_range", q, "few", **more)
    assert found == status
    assert [part for part in parts if part not in message] == [], message


def test_what_is_within_the_limits_is_answered(counting: SpanlakeServer) -> None:
    assert refused(counting, "/api/metrics/query_range", "{ span.n < 9 } | rate() by (span.n)", "few")[0] == 200


def test_operators_too_deep_to_plan_are_no_internal_error(hasty: SpanlakeServer) -> None:
    status, message = refused(hasty, "/api/search", "{ " + " + ".join(["span.n"] * 100) + " > 1 }", "few")
    assert (status, "too deep" in message) in {(400, True), (200, False)}, message[:300]


def test_time(hasty: SpanlakeServer) -> None:
    q = "{} | compare({ " + " || ".join(f"span.k =~ `.*{n}.*{n}.*`" for n in range(500)) + " })"
    status, message = refused(hasty, "/api/metrics/query_range", q)
    assert (status, "longer than 0.1 s" in message, "--query-timeout" in message) == (422, True, True), message[:300]


def test_memory(narrow: SpanlakeServer) -> None:
    status, message = refused(narrow, "/api/metrics/query_range", "{} | rate() by (span.k)")
    assert (status, "more than 1 MiB of memory" in message, "--query-memory" in message) == (422, True, True), message[
        :300
    ]
