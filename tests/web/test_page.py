"""The web page in Chromium, against real servers."""

import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote_plus, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.query.kit import NOON, At, request
from tests.scenarios.access.kit import BOTH, bearer, token_file
from tests.server_process import SpanlakeServer
from tests.toolchain import installed
from tests.web.conftest import LARGE, LARGE_SPANS, ROOT
from tests.web.visit import Visit

ERRORS = "#/search?q=%7B%20status%20%3D%20error%20%7D&since=6h"
FAILED_CHECKOUTS = (
    "#/search?q=%7B%20name%20%3D%20%22POST%20%2Fcheckout%22%20%26%26%20status%20%3D%20error%20%7D&since=6h"
)
LARGE_TRACE = f"#/trace/{LARGE:032x}"


# Names of graphs and trees tell more than their text, which is cut off where there is no room.
AXE = """axe.run(document, {
  resultTypes: ["violations"], rules: {"label-content-name-mismatch": {enabled: false}}
})"""


# Nodes that are added while the pane is scrolled up by 100 rows, two in each frame.
NODES_OF_100_ROWS = """async () => {
  const pane = document.querySelector(".rows");
  let added = 0;
  const watch = (changes) => { for (const change of changes) added += change.addedNodes.length; };
  new MutationObserver(watch).observe(pane, {childList: true, subtree: true});
  for (let frame = 0; frame < 50; frame++) {
    pane.scrollTop -= 48;
    await new Promise(requestAnimationFrame);
  }
  return added;
}"""


def search(query: str) -> str:
    """The fragment of the search for a query."""
    return f"#/search?since=6h&q={quote(query)}"


def failed_checkout(server: SpanlakeServer) -> tuple[str, str]:
    """The ids of a trace with events and errors, and of one of its spans."""
    query = quote('{ name = "POST /checkout" && status = error }')
    (found, *_) = json.loads(server.get(f"/api/search?q={query}&limit=1").body)["traces"]
    return found["traceID"], found["spanSets"][0]["spans"][0]["spanID"]


def rows(page: Page, label: str = "Traces") -> "list[str]":
    """The texts of a table's rows."""
    table = page.get_by_role("table", name=label)
    expect(table).to_be_visible()
    return table.locator("tbody tr").all_inner_texts()


def test_empty_page_tells_how_to_send_and_turns_into_the_search(chromium: Browser, tmp_path: Path) -> None:
    server = SpanlakeServer(tmp_path / "data").wait_until_ready()
    try:
        with Visit.of(chromium, server.tempo) as visit:
            page = visit.go("")
            expect(page.get_by_role("heading", name="Nothing is stored yet")).to_be_visible()
            expect(page.get_by_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={server.otlp_http}")).to_be_visible()
            assert server.post_traces(request([At(1, name="first")])).status == 200
            expect(page.get_by_role("link", name="first")).to_be_visible(timeout=20_000)
            assert "#/search?" in page.url
    finally:
        server.stop()


def test_start_leads_to_the_newest_traces(visit: Visit) -> None:
    page = visit.go("")
    expect(page).to_have_url(re.compile(r"#/search\?since=1h$"))
    assert rows(page)


def test_search_shows_traces_and_leads_to_one_and_back(visit: Visit) -> None:
    page = visit.go(ERRORS)
    found = rows(page)
    assert all("error" in row for row in found)
    page.get_by_role("table", name="Traces").get_by_role("link").first.click()
    expect(page.get_by_role("tree")).to_be_visible()
    page.go_back()
    assert rows(page) == found


def test_search_by_duration_is_ordered_and_linked(visit: Visit) -> None:
    page = visit.go("#/search?since=6h")
    page.get_by_label("Order", exact=True).select_option("duration")
    expect(page).to_have_url(re.compile("order=duration"))
    expect(page.get_by_role("heading", name=re.compile("^Longest"))).to_be_visible()


def test_errors_of_a_query_are_underlined_and_told(visit: Visit) -> None:
    page = visit.go("#/search?since=6h&q=%7B%20duratio%20%3E%20%7D")
    expect(page.get_by_role("alert")).to_contain_text("line 1, column")
    expect(page.locator(".cm-lintRange-error")).to_be_visible()


def test_completion_offers_names_and_values(visit: Visit) -> None:
    page = visit.go("#/search?since=6h")
    box = page.get_by_role("textbox", name="TraceQL query")
    expect(page.locator(".cm-content")).to_be_visible()
    box.click()
    page.keyboard.type("{ resource.service.na", delay=5)
    expect(page.get_by_role("option", name="resource.service.name resource")).to_be_visible()
    page.wait_for_timeout(200)  # at first, keys do not choose: the list may have opened under the typing hand
    page.keyboard.press("Enter")
    expect(page.locator(".cm-content")).to_contain_text("resource.service.name")
    page.keyboard.type(" = ")
    page.keyboard.press("Control+Space")
    expect(page.get_by_role("option", name='"payment"')).to_be_visible()


def test_a_misspelt_name_is_told_with_what_was_meant(visit: Visit) -> None:
    page = visit.go(search('{ span.http.request.methd = "POST" }'))
    expect(page.get_by_text("No span has span.http.request.methd in this range.")).to_be_visible()
    page.get_by_role("button", name="span.http.request.method").click()
    assert rows(page)


def test_a_misspelt_value_is_told_with_what_was_meant(visit: Visit) -> None:
    page = visit.go(search('{ resource.service.name = "paymnet" }'))
    page.get_by_role("button", name='"payment"').click()
    assert rows(page)


def test_exploring_a_misspelt_value_tells_what_was_meant(visit: Visit) -> None:
    page = visit.go(search('{ resource.service.name = "paymnet" }').replace("search", "explore"))
    page.get_by_role("button", name='"payment"').click()
    expect(page.get_by_role("img", name="Heatmap of durations over time")).to_be_visible()


def test_a_name_without_its_scope_is_told_with_what_was_meant(visit: Visit) -> None:
    page = visit.go(search('{ service.name = "payment" }'))
    page.get_by_role("button", name="resource.service.name").click()
    assert rows(page)


def test_builder_writes_the_query(visit: Visit) -> None:
    page = visit.go("#/search?since=6h")
    page.get_by_role("button", name="Builder").click()
    page.get_by_label("Service", exact=True).select_option('"payment"')
    expect(page).to_have_url(re.compile(re.escape("q=%7B+resource.service.name+%3D+%22payment%22+%7D")))
    page.get_by_label("Longer than").fill("1s")
    page.get_by_label("Longer than").press("Enter")
    expect(page).to_have_url(re.compile("duration"))


def test_live_search_marks_new_traces(visit: Visit, shop: SpanlakeServer) -> None:
    page = visit.go("#/search?q=%7B%20name%20%3D%20%22live%22%20%7D&since=1h")
    expect(page.get_by_text("No trace matches")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    now = page.evaluate("Date.now()") * 10**6
    assert shop.post_traces(request([At(1, trace=0x11FE, name="live", start=now - NOON)])).status == 200
    expect(page.get_by_role("link", name="live")).to_be_visible(timeout=15_000)


def test_trace_is_read_by_keyboard(visit: Visit) -> None:
    page = visit.go(FAILED_CHECKOUTS)
    page.get_by_role("table", name="Traces").get_by_role("link").first.click()
    tree = page.get_by_role("tree")
    tree.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("complementary", name="Span")).to_contain_text("POST /")
    before = page.get_by_role("treeitem").count()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("treeitem")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("treeitem")).to_have_count(before)
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("span="))
    page.keyboard.press("/")
    page.keyboard.type("exception.type")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Stack trace")).to_be_visible()
    page.keyboard.press("Escape")


def test_model_calls_are_shown_as_conversations(visit: Visit) -> None:
    page = visit.go("#/search?q=%7B%20name%20%3D%20%22chat%20gpt-5-mini%22%20%7D&since=6h")
    page.get_by_role("table", name="Traces").get_by_role("link").first.click()
    details = page.get_by_role("complementary", name="Span")
    expect(details).to_contain_text("output tokens")
    expect(details.locator(".turn.user").first).to_be_visible()


def test_large_trace_draws_what_is_in_sight(visit: Visit) -> None:
    page = visit.go(LARGE_TRACE)
    tree = page.get_by_role("tree", name=f"{LARGE_SPANS} of {LARGE_SPANS}")
    expect(tree).to_be_visible(timeout=60_000)
    assert page.get_by_role("treeitem").count() < 100
    tree.focus()
    page.keyboard.press("End")
    expect(page.locator(f"#span-{LARGE_SPANS - 1}")).to_be_visible()
    assert page.get_by_role("treeitem").count() < 100
    assert 0 < page.evaluate(NODES_OF_100_ROWS) < 150  # the rows that come into sight, and no other
    page.get_by_label("Find in trace").fill("step 42")
    expect(page.get_by_role("status")).to_contain_text("match")


def test_trace_has_statistics_flame_graph_and_critical_path(visit: Visit) -> None:
    page = visit.go(LARGE_TRACE)
    expect(page.locator(".crit").first).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Statistics").click()
    assert len(rows(page, "Statistics")) == 12
    page.get_by_label("By", exact=True).select_option("status")
    expect(page.get_by_role("table", name="Statistics")).to_contain_text("error")
    page.get_by_role("tab", name="Flame graph").click()
    expect(page.get_by_role("button", name=re.compile("^shop root: 1 m 0 s in 1 span"))).to_be_visible()


def milliseconds(text: str) -> float:
    """The number of a duration such as 2.5 ms."""
    number, unit = text.split("\n", maxsplit=1)[0].split()
    return float(number) * {"ns": 1e-6, "µs": 1e-3, "ms": 1, "s": 1e3}[unit]


def test_statistics_and_critical_path_are_those_of_the_endpoints(visit: Visit, shop: SpanlakeServer) -> None:
    trace, _ = failed_checkout(shop)
    groups = json.loads(shop.get(f"/api/traces/{trace}/statistics").body)["groups"]
    path = json.loads(shop.get(f"/api/traces/{trace}/critical-path").body)["spans"]
    visit.go(f"#/trace/{trace}?view=statistics")
    cells = [row.split("\t") for row in rows(visit.page, "Statistics")]
    shown = {service.strip(): (milliseconds(own), milliseconds(total)) for service, _, _, own, total, *_ in cells}
    assert shown == {one["value"]: pytest.approx((one["selfMs"], one["totalMs"]), rel=0.01) for one in groups}
    critical = sum(milliseconds(row[-1].split(" · ")[0]) for row in cells if not row[-1].startswith("0 ·"))
    assert critical == pytest.approx(sum(one["selfMs"] for one in path), rel=0.01)


def test_trace_is_shown_as_a_graph_of_its_calls(visit: Visit) -> None:
    page = visit.go(FAILED_CHECKOUTS)
    page.get_by_role("table", name="Traces").get_by_role("link").first.click()
    page.get_by_role("tab", name="Graph", exact=True).click()
    page.get_by_role("button", name=re.compile("^checkout .*: .* self time")).first.click()
    expect(page.get_by_role("complementary", name="Span")).to_contain_text("checkout")
    page.get_by_role("button", name="Services").click()
    expect(page.get_by_role("button", name=re.compile("^payment : .* self time"))).to_have_count(1)


def test_spans_of_a_trace_are_a_table_that_draws_what_is_in_sight(visit: Visit) -> None:
    page = visit.go(f"{LARGE_TRACE}?view=spans")
    table = page.get_by_role("table", name="Spans")
    expect(table).to_have_attribute("aria-rowcount", str(LARGE_SPANS + 1), timeout=60_000)
    assert table.locator("tbody tr").count() < 100
    page.get_by_role("button", name="Duration").click()
    expect(table.locator("tbody tr").first).to_contain_text("1 m 0 s")
    page.get_by_label("Service", exact=True).select_option("service-3")
    page.get_by_label("only errors").check()
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"^\d of 20000 spans"))
    table.get_by_role("link").first.click()
    expect(page.get_by_role("complementary", name="Span")).to_contain_text("service-3")


def test_a_file_is_shown_without_being_stored(visit: Visit, shop: SpanlakeServer) -> None:
    trace, _ = failed_checkout(shop)
    body = shop.get(f"/api/v2/traces/{trace}").body
    page = visit.go("#/search")
    page.get_by_role("link", name="Open file…").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("File of traces").set_input_files({"name": "no.json", "mimeType": "", "buffer": b"{"})
    expect(page.get_by_role("alert")).to_contain_text("not JSON")
    page.get_by_label("File of traces").set_input_files({"name": "kept.json", "mimeType": "", "buffer": body})
    expect(page.get_by_role("treeitem", name=re.compile("POST .checkout")).first).to_be_visible()
    expect(page.get_by_text("from kept.json, not stored, without a link")).to_be_visible()
    assert asked == []
    for view in ("Graph", "Spans", "Statistics", "Flame graph"):
        page.get_by_role("tab", name=view, exact=True).click()
    page.reload()
    expect(page.get_by_text("Open the file again")).to_be_visible()


def test_links_of_the_operator_are_shown_at_attributes_and_traces(visit: Visit) -> None:
    page = visit.go(FAILED_CHECKOUTS)
    page.get_by_role("table", name="Traces").get_by_role("link").first.click()
    trace = page.get_by_role("link", name="logs of the trace")
    assert re.fullmatch(r"https://logs\.example/\?trace=[0-9a-f]{32}", trace.get_attribute("href") or "")
    page.get_by_label("Find in trace").fill("exception.type")
    page.get_by_label("Find in trace").press("Enter")
    link = page.get_by_role("link", name=re.compile("^all ")).first
    assert (link.get_attribute("href") or "").startswith("https://errors.example/?q=")
    assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer", "_blank")


def test_trace_is_downloaded_as_json(visit: Visit) -> None:
    page = visit.go(LARGE_TRACE)
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="JSON", exact=True).click()
    spans = json.loads(download.value.path().read_text())["trace"]["resourceSpans"]
    assert sum(len(scope["spans"]) for group in spans for scope in group["scopeSpans"]) == LARGE_SPANS


def test_two_traces_are_compared(visit: Visit) -> None:
    page = visit.go("#/search?q=%7B%20name%20%3D%20%22POST%20%2Fcheckout%22%20%7D&since=6h")
    page.get_by_role("table", name="Traces").get_by_role("link").first.click()
    page.get_by_role("button", name="Compare…").click()
    page.get_by_role("link", name="Choose among traces alike").click()
    page.get_by_role("table", name="Traces to compare with").get_by_role("link").first.click()
    assert len(rows(page, "Operations of both traces")) > 10


def test_services_lead_to_operations_and_the_map(visit: Visit) -> None:
    page = visit.go("#/services?since=6h")
    assert len(rows(page, "Services")) > 12
    page.get_by_role("link", name="payment", exact=True).click()
    assert any("Charge" in row for row in rows(page, "Operations"))
    page.get_by_role("link", name="Map", exact=True).click()
    node = page.get_by_role("button", name=re.compile("^orders, database"))
    expect(node).to_be_visible(timeout=15_000)
    page.get_by_role("button", name=re.compile("^payment, service")).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("service=payment"))
    assert all("payment" in row for row in rows(page, "Calls between services"))


def test_explore_finds_what_is_different_about_errors(visit: Visit, shop: SpanlakeServer) -> None:
    query = '{ name = "acquire connection" }'
    page = visit.go(f"#/explore?q={quote(query)}&by=resource.cloud.region&since=6h")
    expect(page.get_by_role("heading", name="Rate")).to_be_visible()
    with page.expect_response(re.compile("/api/metrics/query[?]")) as asked:
        page.get_by_role("button", name="Errors", exact=True).click()
    found = rows(page, "Values that differ")
    assert any("3.2.0" in row for row in found[:12]), found
    failed, others = (count(shop, f"{query[:-2]} && status {sign} error }}", asked.value.url) for sign in ("=", "!="))
    expect(page.get_by_text(f"{failed} spans against {others} others")).to_be_visible()


def count(server: SpanlakeServer, query: str, url: str) -> int:
    """The number of spans in the range of another request."""
    range_ = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items() if name in {"start", "end"}}
    path = f"/api/metrics/query?{urlencode({**range_, 'q': f'{query} | count_over_time()'})}"
    return sum(round(series.get("value", 0)) for series in json.loads(server.get(path).body)["series"])


def test_a_value_that_is_a_list_is_searched_by_its_elements(visit: Visit) -> None:
    query = quote('{ name = "acquire connection" }')
    page = visit.go(f"#/explore?q={query}&by=resource.cloud.region&since=6h")
    page.get_by_role("button", name=re.compile("^Slowest")).click()
    page.get_by_role("button", name='["3.2.0"]', exact=True).click()
    expect(page).to_have_url(re.compile("tags"))
    assert 'tags = "3.2.0"' in unquote_plus(page.url)
    assert "duration > " in unquote_plus(page.url)  # what was compared stays part of the query


def test_a_metrics_query_is_drawn(visit: Visit) -> None:
    page = visit.go("#/search?since=6h")
    expect(page.locator(".cm-content")).to_be_visible()
    page.get_by_role("textbox", name="TraceQL query").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("{} | rate() by (name)")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile("#/explore"))
    expect(page.get_by_role("img", name=re.compile("over time"))).to_be_visible()


def test_storage_shows_days_attributes_and_settings(visit: Visit) -> None:
    page = visit.go("#/storage")
    assert rows(page, "What is stored by day")
    page.get_by_label("Find an attribute").fill("gen_ai.request.model")
    assert len(rows(page, "Attributes")) == 1
    page.get_by_text("Settings").click()
    expect(page.get_by_label("Settings")).to_contain_text("retention")


def test_a_token_is_asked_for_kept_in_the_tab_and_sent(chromium: Browser, tmp_path: Path) -> None:
    server = SpanlakeServer(tmp_path / "data", ("--tokens", str(token_file(tmp_path)))).wait_until_ready()
    try:
        now = time.time_ns()
        for tenant in ("shop", "bank"):
            spans = request([At(1, name=f"of the {tenant}", start=now - NOON)])
            assert server.post_traces(spans, headers=bearer(BOTH, tenant)).status == 200
        with Visit.of(chromium, server.tempo) as visit:
            page = visit.go("#/search?since=1h")
            dialog = page.get_by_role("dialog", name="Token and tenant")
            dialog.get_by_label("Token", exact=True).fill("wrong")
            dialog.get_by_role("button", name="Use").click()
            expect(dialog.get_by_role("alert")).to_contain_text("refused")
            dialog.get_by_label("Token", exact=True).fill(BOTH)
            dialog.get_by_role("button", name="Use").click()
            expect(page.get_by_role("link", name="of the shop")).to_be_visible()
            page.get_by_role("button", name="Token and tenant").click()
            dialog.get_by_label("Tenant", exact=True).select_option("bank")
            dialog.get_by_role("button", name="Use").click()
            expect(page.get_by_role("link", name="of the bank")).to_be_visible()
            visit.go("#/storage")
            expect(page.get_by_role("table", name="What is stored by day")).to_be_visible()
            expect(page.get_by_text("Settings")).to_have_count(0)  # they are for another role
            assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    finally:
        server.stop()


@pytest.mark.parametrize("width", [375, 760, 960])
def test_all_pages_are_in_the_bar(chromium: Browser, shop: SpanlakeServer, width: int) -> None:
    with Visit.of(chromium, shop.tempo, width=width) as visit:
        bar = visit.go("#/send").get_by_role("navigation", name="Pages")
        expect(bar).to_be_visible()
        assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 480])
def test_pages_are_accessible(chromium: Browser, shop: SpanlakeServer, scheme: str, width: int) -> None:
    installed(ROOT / "scripts" / "web.sh", "Node.js for axe", "check")
    trace, span = failed_checkout(shop)
    axe = (ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text()
    views = (
        "#/send",
        "#/search?since=6h",
        ERRORS,
        "#/search?q=%7Bx&since=6h",
        LARGE_TRACE,
        *(f"#/trace/{trace}?view={view}&span={span}" for view in ("statistics", "flame", "graph", "spans", "events")),
        "#/file",
        "#/search?since=6h&q=%7B%20span.http.request.methd%20%3D%201%20%7D",
        f"#/compare?a={LARGE:x}&b={LARGE:x}",
        "#/services?since=6h",
        "#/map?since=6h",
        "#/explore?since=6h",
        "#/storage",
    )
    with Visit.of(chromium, shop.tempo, "dark" if scheme == "dark" else "light", width) as visit:
        for view in views:
            page = visit.go(view)
            page.wait_for_load_state("networkidle")
            expect(page.locator(".progress.on")).to_have_count(0, timeout=30_000)
            page.evaluate(axe)
            found = page.evaluate(AXE)["violations"]
            told = [(one["id"], one["help"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]
            assert told == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
