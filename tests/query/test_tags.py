"""Names of tags and their values."""

from collections.abc import Iterator
from math import inf, nan

import pytest

from spanlake.query.tags import go_float, go_floats
from tests.query.kit import At, Lake


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
        ("name", "{ status = error }", [("string", "a")]),
        ("status", "{ name = `a` }", [("keyword", "error")]),
        ("kind", "{ name = `a` }", [("", "")]),  # Tempo has no name for it
        ("span.s", "{ span.n = 1 }", [("string", "x")]),
        ("span.s", "{ span.b = true && name = `c` }", [("string", "x")]),
        ("span.s", "{ name = `nobody` }", []),
        ("span.s", "{ .b = true }", [("string", "it's \0"), ("string", "x"), ("string", "y")]),  # not applied
        ("span.s", "{ span.n = ", [("string", "it's \0"), ("string", "x"), ("string", "y")]),  # half a filter
    ],
)
def test_values(lake: Lake, tag: str, q: str, values: list[tuple[str, str]]) -> None:
    assert lake.values(tag, q) == values


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
        ("span", "{ .n = 1 }", {"span": ["b", "list", "mixed", "n", "s", "s\"'\\"]}),  # not applied
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
    lake.add(*(At(n, attributes={f"key.{n}.{k}": k for k in range(20)}) for n in range(1, 201)))
    assert len(lake.tags("span")["span"]) == 4000
    assert lake.tags("span", "{ name = `7` }")["span"] == sorted(f"key.7.{k}" for k in range(20))
    lake.close()
