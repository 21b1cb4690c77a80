"""The Tempo API of a real server: shapes, formats, and what is told of mistakes."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.query.kit import NOON, SECOND, At, request
from tests.server_process import Answer, SpanlakeServer

TENANT = "api-tempo"
TRACE = f"{0xABC:032x}"
SPANS = (
    At(1, trace=0xABC, name="root", attributes={"n": 1, "s": "x"}, status=2, length=2 * SECOND),
    At(2, 1, trace=0xABC, name="child", attributes={"n": 2}, start=SECOND, length=SECOND, service="cart"),
)
RANGE: dict[str, Any] = {"start": NOON // SECOND - 60, "end": NOON // SECOND + 60}


@pytest.fixture(scope="module")
def stored(server: SpanlakeServer) -> SpanlakeServer:
    assert server.post_traces(request(SPANS), headers={"X-Scope-OrgID": TENANT}).status == 200
    return server


def ask(server: SpanlakeServer, path: str, accept: str = "", tenant: str = TENANT, **parameters: Any) -> Answer:
    query = f"?{urlencode(parameters)}" if parameters else ""
    headers = {"X-Scope-OrgID": tenant} | ({"Accept": accept} if accept else {})
    return server.get(f"{path}{query}", headers)


def body(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    return json.loads(answer.body)


def test_echo(stored: SpanlakeServer) -> None:
    assert ask(stored, "/api/echo").body == b"echo"


def test_search_by_traceql(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/search", q="{ span.n > 0 }", **RANGE))
    (trace,) = found["traces"]
    assert trace["traceID"] == "abc"
    assert (trace["rootServiceName"], trace["rootTraceName"]) == ("shop", "root")
    assert (trace["startTimeUnixNano"], trace["durationMs"]) == (str(NOON), 2000)
    assert trace["serviceStats"] == {"shop": {"spanCount": 1, "errorCount": 1}, "cart": {"spanCount": 1}}
    assert trace["spanSets"] == [trace["spanSet"]]
    assert trace["spanSet"]["matched"] == 2
    assert trace["spanSet"]["spans"][0] == {
        "spanID": "0000000000000001",
        "name": "root",
        "startTimeUnixNano": str(NOON),
        "durationNanos": str(2 * SECOND),
        "attributes": [{"key": "n", "value": {"intValue": "1"}}],
    }
    assert {type(value) for value in found["metrics"].values()} == {int}


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"tags": "service.name=shop"}, 1),
        ({"tags": "service.name=shop n=1"}, 1),
        ({"tags": "service.name=SHO n=3"}, 0),
        ({"tags": "s=x service.name=cart"}, 1),
        ({"tags": "s=x", "minDuration": "3s"}, 0),
        ({"tags": "s=x", "maxDuration": "2s"}, 1),
        ({}, 1),
        ({"q": "{ span.n = 1 }", "limit": "9999999999999999999"}, 1),
        ({"q": "{}", "spss": "9999999999999999999"}, 1),
        ({"q": "{}", "start": "1", "end": "9999999999999999999"}, 1),
        ({"q": "{}", "start": "99999999998", "end": "99999999999"}, None),
        ({"q": "{}", "start": "999999999998", "end": "999999999999"}, 0),  # milliseconds, in 2001
        ({"query": "{ span.n = 1 }"}, 1),
        ({"q": "{ span.n = 1 }", "query": "{ span.n = 99 }"}, 1),
        ({"q": "{}", "start": str(NOON // 10**6), "end": str(NOON // 1000 + 1)}, 1),
        ({"q": "{}", "_": "7"}, 1),
        ({"q": "{}", "start": "-9999999999999999999", "end": "-1"}, 0),
        ({"q": "{}", "start": "1", "end": "9999-12-31T23:59:59Z"}, 1),
        ({"q": "{ name = `a\0b` }"}, 0),
        ({"q": "{ name =~ `\\Qa` }"}, 0),
    ],
)
def test_searches(stored: SpanlakeServer, parameters: dict[str, str], found: int | None) -> None:
    answer = ask(stored, "/api/search", **parameters)
    if found is None:
        assert answer.status == 400
    else:
        assert len(body(answer)["traces"]) == found


@pytest.mark.parametrize("spss", [0, 1, 2])
def test_spans_of_a_set(stored: SpanlakeServer, spss: int) -> None:
    (trace,) = body(ask(stored, "/api/search", q="{}", spss=spss))["traces"]
    assert len(trace["spanSet"]["spans"]) == (spss or 2)


def test_trace_as_json(stored: SpanlakeServer) -> None:
    first = body(ask(stored, f"/api/traces/{TRACE}"))
    second = body(ask(stored, f"/api/v2/traces/{TRACE}"))
    assert sorted(first) == ["batches"]
    assert sorted(second) == ["trace"]
    assert [span["name"] for batch in first["batches"] for part in batch["scopeSpans"] for span in part["spans"]] == [
        "root",
        "child",
    ]
    assert body(ask(stored, "/api/traces/abc")) == first
    assert body(ask(stored, "/api/traces/ABC", **RANGE)) == first


def test_trace_as_protobuf(stored: SpanlakeServer) -> None:
    first = ask(stored, f"/api/traces/{TRACE}", accept="application/protobuf")
    second = ask(stored, f"/api/v2/traces/{TRACE}", accept="application/protobuf")
    assert first.headers["content-type"] == second.headers["content-type"] == "application/protobuf"
    assert len(TracesData.FromString(first.body).resource_spans) == 2
    assert second.body.endswith(first.body)


def test_trace_narrowed_by_q(stored: SpanlakeServer) -> None:
    def names(**parameters: str) -> list[str]:
        found = body(ask(stored, f"/api/v2/traces/{TRACE}", **parameters))
        assert (found.get("status"), found.get("message")) == ("PARTIAL", "only the spans that match q")
        batches = found["trace"]["resourceSpans"]
        return [span["name"] for batch in batches for part in batch["scopeSpans"] for span in part["spans"]]

    assert names(q="{ span.n = 2 }") == ["child"]
    assert names(query="{ span.n > 1 && resource.service.name = `cart` }", keep_hierarchy="false") == ["child"]
    assert names(q="{ span.n = 2 }", keep_hierarchy="true") == ["root", "child"]
    nothing = body(ask(stored, f"/api/v2/traces/{TRACE}", q="{ name = `x` }"))
    assert nothing == {"trace": {"resourceSpans": []}, "status": "PARTIAL", "message": "only the spans that match q"}
    assert "status" not in body(ask(stored, f"/api/v2/traces/{TRACE}", q="{ }", keep_hierarchy="true"))


def test_trace_in_any_spelling(stored: SpanlakeServer) -> None:
    dashed = f"{TRACE[:8]}-{TRACE[8:12]}-{TRACE[12:16]}-{TRACE[16:20]}-{TRACE[20:]}"
    xray = f"1-{TRACE[:8]}-{TRACE[8:]}"
    texts = (TRACE, dashed, "abc", "ABC", "0abc", dashed.upper(), xray)
    answers = [ask(stored, f"/api/traces/{text}") for text in texts]
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}


def test_empty_tenant_is_the_default(stored: SpanlakeServer) -> None:
    assert ask(stored, f"/api/traces/{TRACE}", tenant="").status == 404
    assert ask(stored, "/api/search", tenant="").status == 200


def test_no_such_trace(stored: SpanlakeServer) -> None:
    missing = ask(stored, "/api/traces/def")
    assert (missing.status, missing.body) == (404, b"trace not found\n")
    assert body(ask(stored, "/api/v2/traces/def")) == {"trace": {}}
    assert ask(stored, "/api/v2/traces/def", accept="application/protobuf").body == b"\x0a\x00"
    assert ask(stored, f"/api/traces/{TRACE}", tenant="someone-else").status == 404


def test_tags(stored: SpanlakeServer) -> None:
    assert body(ask(stored, "/api/search/tags")) == {"tagNames": ["n", "s", "service.name"]}
    scopes = {part["name"]: part["tags"] for part in body(ask(stored, "/api/v2/search/tags"))["scopes"]}
    assert (scopes["span"], scopes["resource"]) == (["n", "s"], ["service.name"])
    assert body(ask(stored, "/api/v2/search/tags", scope="span")) == {"scopes": [{"name": "span", "tags": ["n", "s"]}]}
    assert "name" in body(ask(stored, "/api/search/tags", scope="intrinsic"))["tagNames"]


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("span.n", [("int", "1"), ("int", "2")]),
        (".service.name", [("string", "cart"), ("string", "shop")]),
        ("name", [("string", "child"), ("string", "root")]),
        ("span.a/b", []),
        ("span.%22a%0Ab/%0A%22", []),
    ],
)
def test_tag_values(stored: SpanlakeServer, tag: str, values: list[tuple[str, str]]) -> None:
    found = body(ask(stored, f"/api/v2/search/tag/{tag}/values"))["tagValues"]
    assert sorted((value["type"], value["value"]) for value in found) == values


def test_tag_values_of_the_first_version(stored: SpanlakeServer) -> None:
    assert body(ask(stored, "/api/search/tag/service.name/values")) == {"tagValues": ["cart", "shop"]}
    assert body(ask(stored, "/api/search/tag/root.name/values")) == {"tagValues": ["root"]}


def test_metrics(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/metrics/query_range", q="{} | rate() by (span.n)", step="60s", **RANGE))
    assert {json.dumps(line["labels"]) for line in found["series"]} == {
        json.dumps([{"key": "span.n", "value": {"intValue": str(n)}}]) for n in (1, 2)
    }
    sample = found["series"][0]["samples"][0]
    assert isinstance(sample["timestampMs"], str)
    assert isinstance(sample["value"], int | float)
    once = body(ask(stored, "/api/metrics/query", q="{} | count_over_time()", **RANGE))
    assert [line["value"] for line in once["series"]] == [2]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "message"),
    [
        ("/api/search", {"q": "{ span.n = }"}, 400, "line 1, column 12"),
        ("/api/search", {"q": "{ 1 = `x` }"}, 400, "line 1"),
        ("/api/search", {"q": "{} | rate()"}, 400, "metrics"),
        ("/api/search", {"q": "{ " + "(" * 2000}, 400, "nested"),
        ("/api/search", {"q": "{}", "limit": "0"}, 400, "invalid limit"),
        ("/api/search", {"q": "{}", "limit": "x"}, 400, "invalid limit"),
        ("/api/search", {"q": "{}", "spss": "-1"}, 400, "invalid spss"),
        ("/api/search", {"q": "{}", "start": "x"}, 400, "invalid start"),
        ("/api/search", {"q": "{}", "start": "9", "end": "5"}, 400, "invalid end"),
        ("/api/search", {"tags": "x"}, 400, "invalid tags"),
        ("/api/search", {"q": "{}", "tags": "a=b"}, 400, "invalid tags"),
        ("/api/search", {"q": "{}", "minDuration": "1s"}, 400, "traceDuration >="),
        ("/api/search", {"minDuration": "2s", "maxDuration": "1s"}, 400, "invalid maxDuration"),
        ("/api/search", {"service.name": "shop"}, 400, "tags=service.name="),
        ("/api/search", {"Limit": "3"}, 400, "did you mean limit"),
        ("/api/search", {"maxSeries": "3"}, 400, "maxSeries is not supported here"),
        ("/api/metrics/query_range", {"q": "{} | rate()", "max_series": "3"}, 400, "did you mean maxSeries"),
        ("/api/metrics/query_range", {"q": "{} | rate()", "tags": "a=b"}, 400, "tags is not supported here"),
        ("/api/metrics/query_range", {"q": "{} | rate()", "since": "1h", "start": "5"}, 400, "invalid since"),
        ("/api/metrics/query", {}, 400, "invalid q"),
        ("/api/traces/1", {"mode": "ingesters"}, 400, "invalid mode"),
        ("/api/traces/1", {"q": "{}"}, 400, "q is not supported here"),
        ("/api/v2/traces/1", {"q": "{} | count() > 1"}, 400, "one spanset filter"),
        ("/api/v2/traces/1", {"q": "{} | rate()"}, 400, "one spanset filter"),
        ("/api/v2/traces/1", {"q": "{{{"}, 400, "line 1"),
        ("/api/v2/traces/1", {"keep_hierarchy": "maybe"}, 400, "invalid keep_hierarchy"),
        ("/api/v2/traces/1", {"match_depth": "3"}, 400, "match_depth is not supported"),
        ("/api/v2/traces/1", {"ancestor_depth": "3"}, 400, "ancestor_depth is not supported"),
        ("/api/v2/search/tags", {"limit": "x"}, 400, "invalid limit"),
        ("/api/v2/search/tag/name/values", {"limit": "-1"}, 400, "invalid limit"),
        ("/api/search", {"tags": " ".join(f"k{n}=v" for n in range(500))}, 400, "more than"),
        ("/api/search", {"minDuration": "x"}, 400, "invalid minDuration"),
        ("/api/traces/xyz", {}, 400, "hex"),
        ("/api/traces/0a%200b", {}, 400, "hex"),
        (f"/api/traces/{'0' * 33}", {}, 400, "32"),
        ("/api/v2/traces/xyz", {}, 400, "hex"),
        ("/api/v2/search/tags", {"scope": "x"}, 400, "invalid scope"),
        ("/api/v2/search/tag/x%7By/values", {}, 400, "line 1"),
        ("/api/metrics/query_range", {"q": "{}"}, 400, "metrics"),
        ("/api/metrics/query_range", {"q": "{} | rate()", "step": "x"}, 400, "invalid step"),
        ("/api/metrics/query_range", {"q": "{} | rate()", "step": "9999999h"}, 400, "invalid step"),
        ("/api/metrics/query_range", {"q": "{} | rate()", "step": "1ns", **RANGE}, 422, "steps"),
        ("/api/metrics/query", {"q": ""}, 400, ""),
        ("/api/nothing", {}, 404, ""),
    ],
)
def test_mistakes(stored: SpanlakeServer, path: str, parameters: dict[str, Any], status: int, message: str) -> None:
    answer = ask(stored, path, **parameters)
    assert answer.status == status, answer.body
    assert message in answer.body.decode()


@pytest.mark.parametrize("tenant", ["a/b", "..", "a|b/c", "a|", "x" * 151, "__x", "a b", "\xe4"])
@pytest.mark.parametrize("path", ["/api/search", "/api/traces/1", "/api/v2/search/tags", "/api/search/tag/x/values"])
def test_names_that_no_tenant_has(stored: SpanlakeServer, tenant: str, path: str) -> None:
    assert ask(stored, path, tenant=tenant).status == 400
