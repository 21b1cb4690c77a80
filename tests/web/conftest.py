"""A browser for the tests of the web page, and servers with something to show."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from spanlake.cli.demo.incident import Incident
from spanlake.cli.demo.run import now_ns
from spanlake.cli.demo.traces import Shop
from tests.query.kit import HOUR, MS, NOON, At, request
from tests.server_process import SpanlakeServer
from tests.toolchain import installed
from tests.web.visit import Visit

ROOT = Path(__file__).parents[2]
LARGE, LARGE_SPANS = 0xB16, 20_000
LINKS = [
    {"key": "exception.type", "url": "https://errors.example/?q=#{exception.type}", "text": "all #{exception.type}"},
    {"type": "traces", "url": "https://logs.example/?trace=#{traceID}", "text": "logs of the trace"},
]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright, whose event loop runs in this thread until the module's tests are done."""
    expect.set_options(timeout=30_000)  # milliseconds: machines may be busy
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Chromium; skips where there is none, unless CI is true."""
    (*_, program) = installed(ROOT / "scripts" / "interop" / "chromium.sh", "Chromium")
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server with some hours of the demo's shop, and one trace of 20,000 spans."""
    data = tmp_path_factory.mktemp("page") / "data"
    server = SpanlakeServer(data, ("--page-links", json.dumps(LINKS))).wait_until_ready()
    now = now_ns()
    incident = Incident(now - 3 * HOUR, now - 2 * HOUR)
    for body in (*Shop(1, incident).between(now - 4 * HOUR, now, 700), request(_large(now))):
        assert server.post_traces(body).status == 200
    yield server
    server.stop()


def _large(now: int) -> list[At]:
    """The spans of a large trace: each below one of those before it, within its time."""
    chance = Random(3)
    start = now - NOON - HOUR // 2
    spans = [At(1, trace=LARGE, name="root", start=start, length=60_000 * MS, kind=2)]
    for id_ in range(2, LARGE_SPANS + 1):
        above = spans[int(len(spans) * chance.random() ** 2)]
        at = above.start + int(above.length * chance.random() * 0.8)
        length = max(int((above.start + above.length - at) * chance.random()), 1000)
        service = f"service-{id_ % 11}"
        status = 2 if id_ % 500 == 0 else None
        spans.append(At(id_, above.id, f"step {id_ % 97}", LARGE, at, length, status, 1, service=service))
    return spans


@pytest.fixture
def visit(chromium: Browser, shop: SpanlakeServer) -> Iterator[Visit]:
    """A visit of the server with data."""
    with Visit.of(chromium, shop.tempo) as found:
        yield found


@pytest.fixture
def page(visit: Visit) -> Page:
    """The page of a visit."""
    return visit.page
