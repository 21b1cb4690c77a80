"""Names of tags and their values."""

from collections.abc import Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from spanlake.query.engine.session import QueryPolicy
from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.querier import ALWAYS
from spanlake.query.tag_values import EVERY_SCOPE, go_float, go_floats
from spanlake.query.time_range import TimeRange
from spanlake.traceql import ast
from spanlake.traceql.parser import parse_identifier
from tests.query.kit import NOON, SECOND, TENANT, At, Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("tags"))
    lake.add(
        At(1, name="a", status=2, kind=2, attributes={"s": "x", "n": 1, "list": [1, 2]}, resource={"zone": "west"}),
        At(2, 1, name="b", attributes={"s": "y", "n": 1.5, "mixed": [1, "m"]}, service="cart"),
        At(3, 1, name="c", attributes={"b": True, "s": "x"}, scope={"lang": "go"}),
        At(4, 1, name="d", events=[("e", 5, {"ev": "v"})], links=[(7, 8, {"li": 3})]),
    )
    lake.add(At(5, trace=2, name="it's \0", attributes={"s": "it's \0", "s\"'\\": 1}))
    yield lake
    lake.close()


@pytest.mark.parametrize(
    ("tag", "q", "values"),
    [
        ("span.s", "", [("string", "it's \0"), ("string", "x"), ("string", "y")]),
        (".s", "", [("string", "it's \0"), ("string", "x"), ("string", "y")]),
        ("span.n", "", [("float", "1.5"), ("int", "1")]),
        ("span.list", "", [("int", "1"), ("int", "2")]),
        ("span.mixed", "", [("int", "1"), ("string", "m")]),
        ("span.b", "", [("bool", "true")]),
        ("resource.zone", "", [("string", "west")]),
        (".zone", "", [("string", "west")]),
        ("resource.service.name", "", [("string", "cart"), ("string", "shop")]),
        ("instrumentation.lang", "", [("string", "go")]),
        ("event.ev", "", [("string", "v")]),
        ("link.li", "", [("int", "3")]),
        ("event:name", "", [("string", "e")]),
        ("span.none", "", []),
        ("parent", "", []),
        ("parent.span.s", "", [("string", "x")]),
        ("parent.span.list", "", [("int", "1"), ("int", "2")]),
        ("parent.n", "{ name = `b` }", [("int", "1")]),
        ("parent.service.name", "", [("string", "shop")]),
        ("parent.s", "{ name = `a` }", []),
        ("name", "{ status = error }", [("string", "a")]),
        ("span.s", "{ span.n = 1 }", [("string", "x")]),
        ("span.s", "{ span.b = true && name = `c` }", [("string", "x")]),
        ("span.s", "{ name = `nobody` }", []),
        ("span.s", "{ .b = true }", [("string", "x")]),
        ("span.s", "{ span.n = ", [("string", "it's \0"), ("string", "x"), ("string", "y")]),  # half a filter
    ],
)
def test_values(lake: Lake, tag: str, q: str, values: list[tuple[str, str]]) -> None:
    assert lake.values(tag, q) == values


RECENT = TimeRange(NOON - SECOND, NOON + 9 * SECOND)
STATUSES = ["error", "ok", "unset"]
KINDS = ["client", "consumer", "internal", "producer", "server", "unspecified"]


@pytest.mark.parametrize(
    ("tag", "q", "when", "words"),
    [
        ("status", "{ name = `a` }", RECENT, ["error"]),
        ("span:status", "", RECENT, ["error", "unset"]),
        ("kind", "{ name = `a` || name = `b` }", RECENT, ["server", "unspecified"]),
        ("status", "", ALWAYS, STATUSES),
        ("span:status", "{ name = `a` }", ALWAYS, STATUSES),
        ("kind", "", ALWAYS, KINDS),
        ("span:kind", "{ name = `a` }", ALWAYS, KINDS),
    ],
)
def test_status_and_kind_are_words(lake: Lake, tag: str, q: str, when: TimeRange, words: list[str]) -> None:
    assert lake.values(tag, q, when=when) == [("keyword", word) for word in words]


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("span.blob", [("string", "AQI=")]),
        ("span.map", [("string", '{"k":[1,{"x":"y"}],"n":null}')]),
        ("span.empty", [("string", "[]")]),
        ("span.deep", [("float", "1.5"), ("int", "1"), ("string", "b")]),
        ("event.blob", [("string", "AQI=")]),
        ("event.many", [("bool", "true"), ("float", "2.0"), ("int", "1"), ("string", "x")]),
        ("link.map", [("string", '{"k":1}')]),
        ("duration", [("duration", "1s")]),
        ("event:timeSinceStart", [("duration", "-3s"), ("duration", "5s")]),
        ("link:traceID", [("string", f"{7:032x}")]),
        ("link:spanID", [("string", f"{8:016x}")]),
        ("span:id", [("string", f"{1:016x}")]),
        ("span.none", []),
        ("parent.map", []),
    ],
)
def test_values_of_every_kind(tmp_path: Path, tag: str, found: list[tuple[str, str]]) -> None:
    lake = Lake(tmp_path)
    odd: dict[str, object] = {
        "blob": b"\1\2",
        "map": {"k": [1, {"x": "y"}], "n": None},
        "empty": [],
        "deep": [1, 1.5, ["a"], "b"],
    }
    first: dict[str, Any] = {"blob": b"\1\2", "many": 1}
    last: dict[str, Any] = {"many": [True, 2.0]}
    events = [("e", 5 * SECOND, first), ("f", -3 * SECOND, {"many": "x"}), ("g", 5 * SECOND, last)]
    lake.add(At(1, length=SECOND, attributes=odd, events=events, links=[(7, 8, {"map": {"k": 1}})]))
    assert lake.values(tag) == found
    is_asked_for = tag not in {"span.blob", "span.map", "span.empty", "event.blob", "link.map"}
    assert lake.values(tag, "{ name = `1` }") == (found if is_asked_for else [])
    lake.close()


def test_values_are_of_spans_that_overlap_the_range(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.add(
        At(1, attributes={"n": "over before"}, length=SECOND),
        At(2, attributes={"n": "runs into it"}, length=10 * SECOND),
        At(3, attributes={"n": "in it"}, start=6 * SECOND),
        At(4, attributes={"n": "ends before it starts"}, start=7 * SECOND, length=-20 * SECOND),
        At(5, attributes={"n": "after"}, start=9 * SECOND),
    )
    when = TimeRange(NOON + 5 * SECOND, NOON + 8 * SECOND)
    found = [value for _, value in lake.values("span.n", when=when)]
    assert found == ["ends before it starts", "in it", "runs into it"]
    lake.close()


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Three blocks of a span each: the first half a minute before the others, and the parent of the last."""
    lake = Lake(tmp_path_factory.mktemp("beside"))
    lake.add(At(1, name="early", trace=1, attributes={"x": 1, "of": "early"}, resource={"old": "yes"}))
    lake.add(At(2, name="in it", trace=2, start=30 * SECOND, attributes={"y": 1, "of": "late"}))
    lake.add(At(3, 1, name="child", trace=1, start=31 * SECOND, attributes={"z": 1, "of": "child"}))
    yield lake
    lake.close()


IN_IT = TimeRange(NOON + 20 * SECOND, NOON + 40 * SECOND)


@pytest.mark.parametrize(
    ("tag", "q", "found"),
    [
        ("rootName", "", ["early", "in it"]),
        ("span:childCount", "{ rootName = `early` }", ["0"]),
        ("name", "{ rootName = `early` }", ["child"]),
        ("span.of", "{ trace:rootService = `shop` }", ["child", "late"]),
        ("span.of", "{ parent.span.of = `early` }", ["child"]),
        ("parent.span.of", "", ["early"]),
        ("parent.resource.old", "", ["yes"]),
    ],
)
def test_spans_before_the_range_are_read_for_its_traces_and_not_listed(
    beside: Lake, tag: str, q: str, found: list[str]
) -> None:
    assert [value for _, value in beside.values(tag, q, when=IN_IT)] == found


def test_names_of_spans_before_the_range_are_not_listed(beside: Lake) -> None:
    found = beside.querier.tag_names(TENANT, "span", "{ rootName =~ `.*` }", IN_IT)
    assert found == {"span": ["of", "y", "z"]}


@pytest.mark.parametrize(("most", "found"), [(1, ["0"]), (3, ["0", "1", "10"]), (99, None), (None, None)])
def test_most_values_are_the_same_each_time(tmp_path: Path, most: int | None, found: list[str] | None) -> None:
    lake = Lake(tmp_path, Limits(threads=1, values=20))
    lake.add(*(At(n + 1, name=str(n)) for n in range(30)))
    name = [parse_identifier("name")]
    if found is None:
        with pytest.raises(LimitExceeded, match="more than 20 values"):
            lake.querier.tag_values("kit", name, "", most=most)
    else:
        assert [value.value for value in lake.querier.tag_values("kit", name, "", most=most)] == found
    lake.close()


def test_values_of_several_scopes(lake: Lake) -> None:
    fields = [ast.Attribute(scope, key) for scope in EVERY_SCOPE for key in ("ev", "li", "lang", "zone", "b")]
    values = {value.value for value in lake.querier.tag_values("kit", fields, "")}
    assert values == {"v", "3", "go", "west", "true"}


@pytest.mark.parametrize(
    ("scope", "q", "names"),
    [
        ("span", "", {"span": ["b", "list", "mixed", "n", "s", "s\"'\\"]}),
        ("resource", "", {"resource": ["service.name", "zone"]}),
        ("instrumentation", "", {"instrumentation": ["lang"]}),
        ("event", "", {"event": ["ev"]}),
        ("link", "", {"link": ["li"]}),
        ("span", "{ name = `a` }", {"span": ["list", "n", "s"]}),
        ("span", "{ name = `b` }", {"span": ["mixed", "n", "s"]}),
        ("event", "{ name = `d` }", {"event": ["ev"]}),
        ("event", "{ name = `a` }", {}),
        ("span", "{ .n = 1 }", {"span": ["list", "n", "s"]}),
        ("span", "{ name = `nobody` }", {}),
    ],
)
def test_names(lake: Lake, scope: str, q: str, names: dict[str, list[str]]) -> None:
    assert lake.tags(scope, q) == names


def test_names_of_all_scopes(lake: Lake) -> None:
    found = lake.tags()
    assert sorted(found) == ["event", "instrumentation", "intrinsic", "link", "resource", "span"]
    assert "trace:rootService" in found["intrinsic"]


def test_keys_past_the_cap_are_listed(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(tmp_path_factory.mktemp("many"))
    lake.add(At(1, attributes={f"key{n:03}": n for n in range(600)}))
    lake.add(At(2, attributes={f"other{n:03}": n for n in range(600)}))
    assert len(lake.tags("span")["span"]) == 1200
    assert lake.values("span.key599") == [("int", "599")]
    assert lake.values("span.other000") == [("int", "0")]
    assert lake.tags("span", "{ name = `1` }")["span"] == [f"key{n:03}" for n in range(600)]
    lake.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-2.5, "-2.5"),
        (100000.0, "100000.0"),
        (1e6, "1e+06"),
        (1.5e-7, "1.5e-07"),
        (1e300, "1e+300"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_floats_are_written_as_go_does(value: float, text: str) -> None:
    assert go_float(value) == text


@pytest.mark.parametrize(
    "values", [[1.5, 2.0], [1.5, nan], [nan, 1.5], [0.0, -3.2], [1.5, 1e6], [1e-5], [-inf, 1.0], []]
)
def test_floats_are_written_together_as_each_is_alone(values: list[float]) -> None:
    assert list(go_floats(values)) == [go_float(value) for value in values]


def test_a_filter_may_narrow_thousands_of_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(tmp_path_factory.mktemp("thousands"))
    lake.add(*(At(n, attributes={f"key.{n}.{k}": k for k in range(20)}) for n in range(1, 101)))
    assert len(lake.tags("span")["span"]) == 2000
    assert lake.tags("span", "{ name = `7` }")["span"] == sorted(f"key.7.{k}" for k in range(20))
    lake.close()


def test_names_are_those_of_spans_in_the_range(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.add(
        At(1, length=SECOND, attributes={"early": 1}),
        At(2, 1, start=100 * SECOND, attributes={"late": 1}),
    )
    lake.add(At(3, trace=2, start=200 * SECOND, attributes={"last": 1}))

    def names(first: int, last: int) -> list[str]:
        when = TimeRange(NOON + first * SECOND, NOON + last * SECOND)
        return lake.querier.tag_names(TENANT, "span", "", when).get("span", [])

    assert names(0, 50) == ["early"]
    assert names(1, 100) == ["early", "late"]
    assert names(3, 99) == []
    assert names(0, 300) == ["early", "last", "late"]
    lake.close()


def test_an_attribute_without_a_value_is_no_tag(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    odd: dict[str, Any] = {"none": None, "some": None}
    lake.add(At(1, attributes=odd, resource={"none": None}, events=[("e", 0, {"none": None})], service=None))
    for q in ("", "{ }", "{ name = `1` }"):
        assert [scope for scope, names in lake.tags(q=q).items() if names] == ["intrinsic"], q
    lake.add(At(2, attributes={"some": {"a": 1}}, events=[("e", 0, {"here": 1})]))
    assert lake.tags("span") == {"span": ["some"]}
    assert not lake.tags("span", "{ name = `1` }").get("span")
    assert lake.tags("event", "{ name = `2` }") == {"event": ["here"]}
    lake.close()


def test_names_that_a_sample_lacks_are_found_in_all_spans(tmp_path: Path) -> None:
    event = ("e", 0, {"seen": 1}), ("e", 0, {"late": 1})
    lake = Lake(tmp_path)
    lake.use(policy=QueryPolicy(sampled_blocks=1, sampled_spans=2))
    lake.add(
        At(1, attributes={"both": 1, "a": 1}, events=event[:1]),
        At(2, attributes={"both": 1}),
        At(3, attributes={"both": 1, "b": "x"}, events=event[1:]),
        At(4, name="other", attributes={"c": 1}),
    )
    found = lake.tags(q="{ name != `other` }")
    assert (found["span"], found["event"]) == (["a", "b", "both"], ["late", "seen"])
    assert lake.tags(q="{ name = `other` }")["span"] == ["c"]
    lake.close()
