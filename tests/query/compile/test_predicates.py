"""Tests filters: comparisons by type, nil, lists, events, arithmetic, and text that attempts injection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanlake.traceql.literals import quote
from tests.query.kit import HOUR, NOON, SECOND, At, Lake

MAX = 2**63 - 1
MIN = -(2**63)
NASTY = {
    "quote": "it's",
    "double quote": 'say "hi"',
    "backslash": "C:\\temp\\",
    "injection": "'; DROP TABLE spans; --",
    "comment": "/* */ -- x",
    "unicode": "naïve \N{SNOWMAN} \N{GRINNING FACE}",
    "nul": "a\0b",
    "only nul": "\0",
    "line break": "a\nb\r\tc",
    "pattern": "%_[a]*?",
    "dollar": "$1 $$ {x} ?",
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("predicate"))
    lake.add(
        At(1, name="int", attributes={"x": 1, "both": "span", "n": 7, "zero": 0, "max": MAX, "min": MIN}),
        At(2, name="double", attributes={"x": 1.0, "inf": float("inf"), "nan": float("nan")}),
        At(3, name="string", attributes={"x": "1", "text": "a\nb"}, resource={"both": "resource"}),
        At(4, name="bool", attributes={"x": True}),
        At(5, name="list", attributes={"list": [1, 2], "words": ["a", "b"], "flags": [True], "empty": []}),
        At(6, name="rest", attributes={"mixed": [1, "a", 2.5, False], "bytes": b"x", "map": {"a": 1}, "void": None}),
        At(7, name="failed", status=2, message="no luck", kind=2, service=None, scope={"lang": "go"}),
        At(8, 7, name="child", length=2 * HOUR, resource={"r": 1}),
        At(
            9,
            name="events",
            events=[("one", 5, {"a": 1, "b": "p"}), ("two", SECOND, {"a": 2, "b": "q"}), ("far", 2**63 - 5 - NOON, {})],
            links=[(0xAB, 0xCD, {"kind": "x"}), (0xEF, 0x12, {"kind": "y", "n": 1})],
        ),
    )
    lake.add(*(At(10 + n, name=key, attributes={"t": text, text: 1}) for n, (key, text) in enumerate(NASTY.items())))
    yield lake
    lake.close()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        # numbers compare by value
        ("{ span.x = 1 }", "double int"),
        ("{ span.x = 1.0 }", "double int"),
        ('{ span.x = "1" }', "string"),
        ("{ span.x = true }", "bool"),
        ("{ span.x = false }", ""),
        ("{ span.x > 0 }", "double int"),
        ("{ 0 < span.x }", "double int"),
        ("{ span.x != 2 }", "double int"),
        ("{ span.x != 1.0 }", ""),
        ("{ span.x >= 0.5 }", "double int"),
        (f"{{ span.max = {float(MAX)} }}", ""),
        (f"{{ span.max < {float(MAX)} }}", "int"),
        ("{ span.x = 1ns }", "double int"),
        ("{ span.x = 1 || span.x = 1.0 }", "double int"),
        ("{ span.x = 1s }", ""),
        ("{ resource.x = 1 }", ""),
        # expressions mix numbers
        ("{ span.x + 0 = 1 }", "double int"),
        ("{ span.x * 2.0 = 2 }", "double int"),
        ("{ span.x = span.x }", "bool double int string"),
        # intrinsics
        ("{ status = error }", "failed"),
        ("{ kind = server }", "failed"),
        ('{ statusMessage = "no luck" }', "failed"),
        ("{ duration > 1h }", "child"),
        ("{ duration > 3599.5s }", "child"),
        ("{ trace:duration > 1h && span.x = 1 }", "double int"),
        ('{ resource.service.name = "" }', ""),
        ("{ resource.service.name != nil && status = error }", ""),
        ('{ instrumentation.lang = "go" }', "failed"),
        ('{ span:parentID = "7" }', "child"),
        ('{ span:parentID != "7" && span.x != nil }', "bool double int string"),
        ('{ span:parentID = "" && span.n = 7 }', "int"),
        ('{ span:parentID = "0" && span.n = 7 }', "int"),
        ('{ span:id = "0000000000000007" }', "failed"),
        ('{ span:id = "00 07" }', ""),
        ('{ span:id = "xyz" }', ""),
        ('{ span:id = "00000000000000000007" }', "failed"),
        ('{ trace:id = "1" && span.n = 7 }', "int"),
        ('{ span:id =~ "0*7" }', "failed"),
        ('{ span:id =~ "007|xyz" }', "failed"),
        ('{ link:traceID = "AB" }', "events"),
        ('{ trace:id != "1" }', ""),
        ("{ span:childCount = 1 }", "failed"),
        # nil
        ("{ span.x = nil && span.n != nil }", ""),
        ("{ span.void != nil }", ""),
        ("{ span.bytes != nil }", "rest"),
        ("{ span.empty != nil }", "list"),
        ("{ resource.r != nil }", "child"),
        ("{ resource.r = nil && span.n = 7 }", "int"),
        ("{ event.a != nil }", "events"),
        ("{ event.a = nil && span.n = 7 }", "int"),
        ('{ event.a = nil && name = "events" }', "events"),
        ('{ event.z = nil && name = "events" }', "events"),
        ('{ link.n = nil && name = "events" }', "events"),
        ("{ link.n != nil || event.a != nil }", "events"),
        ('{ !(event:name = "one") && name =~ "int|events" }', "events int"),
        ("{ event.a = 1 && link.n = 1 }", "events"),
        ("{ event.c != nil }", ""),
        ("{ span.nowhere != nil }", ""),
        ("{ span.nowhere = nil && span.n = 7 }", "int"),
        ("{ span.nowhere = 1 }", ""),
        ("{ span.nowhere != 1 }", ""),
        ("{ span.nowhere > resource.nowhere }", ""),
        # an item of a list is enough; for != and !~ none may be equal or match
        ("{ span.list != 1 }", ""),
        ("{ span.list != 3 }", "list"),
        ('{ span.list != "a" }', ""),
        ("{ span.empty != 1 }", "list"),
        ("{ span.empty = 1 }", ""),
        ('{ span.words !~ "a|x" }', ""),
        ('{ span.words !~ "x" }', "list"),
        ("{ span.mixed != 1 }", ""),
        ("{ span.mixed != 7 }", "rest"),
        ("{ span.list = span.list }", "list"),
        ("{ span.list != span.words }", "list"),
        ("{ span.mixed = span.mixed }", "rest"),
        ("{ span.list = 2 }", "list"),
        ("{ span.list > 1 }", "list"),
        ("{ span.list = 3 }", ""),
        ('{ span.words = "b" }', "list"),
        ('{ span.words =~ "[ab]" }', "list"),
        ("{ span.flags = true }", "list"),
        # values without a column
        ("{ span.mixed = 1 }", "rest"),
        ('{ span.mixed = "a" }', "rest"),
        ("{ span.mixed = 2.5 }", "rest"),
        ("{ span.mixed = false }", "rest"),
        ("{ span.map != nil }", "rest"),
        ("{ span.map = 1 }", ""),
        # patterns are anchored, and their dot is any character
        ('{ span.text =~ "a" }', ""),
        ('{ span.text =~ "a.b" }', "string"),
        ('{ span.text =~ ".*" }', "string"),
        ('{ span.text =~ "x|a.*" }', "string"),
        ('{ span.text =~ "(?i)A.B" }', "string"),
        ('{ span.text !~ "a.b" }', ""),
        ('{ span.text !~ "a" }', "string"),
        ('{ span.text =~ "\\\\Qa" }', ""),
        ('{ name =~ "\\\\Qint" }', "int"),
        # a span's attribute hides its resource's
        ('{ .both = "span" }', "int"),
        ('{ .both = "resource" }', "string"),
        ('{ resource.both = "resource" }', "string"),
        ("{ .r = 1 }", "child"),
        # a single event, or link, meets all parts of a conjunction
        ('{ event.a = 1 && event.b = "p" }', "events"),
        ('{ event.a = 1 && event.b = "q" }', ""),
        ('{ event:name = "two" && event.a = 2 }', "events"),
        ('{ event:name = "two" && event.a = 1 }', ""),
        ("{ event:timeSinceStart > 1m }", "events"),
        ("{ event:timeSinceStart < 6ns }", "events"),
        ('{ link.kind = "x" && link.n = 1 }', ""),
        ('{ link.kind = "y" && link.n = 1 }', "events"),
        (f'{{ link:traceID = "{0xAB:032x}" }}', "events"),
        (f'{{ link:spanID = "{0xCD:016x}" && link.kind = "y" }}', ""),
        # an expression without a result is no match, and no error; beyond 64 bits there are floats
        ("{ span.n / span.zero = 0 }", ""),
        ("{ span.n % span.zero = 0 }", ""),
        ("{ span.n / 0 > 0 || span.n = 7 }", "int"),
        ("{ span.max + 1 > 0 }", "int"),
        ("{ span.max * span.max != 0 }", "int"),
        ("{ span.min - 1 < 0 }", "int"),
        ("{ -span.min > 0 }", "int"),
        ("{ span.min / (0 - 1) > 0 }", "int"),
        ("{ span.n ^ 2 = 49 }", "int"),
        ("{ span.n ^ 0 = 1 }", "int"),
        ("{ 3 ^ 39 = 4052555153018976267 && span.n = 7 }", "int"),
        ("{ span.n ^ (0 - 1) < 0.15 }", "int"),
        ("{ span.n ^ span.max > 0 }", ""),
        ("{ duration * maxInt > 0 && span.n = 7 }", "int"),
        ("{ span.n = 7 && -span.n = -7 }", "int"),
        ("{ span.inf > 1e300 }", "double"),
        ("{ span.inf - span.inf = 0 }", ""),
        ("{ span.nan = span.nan + 0 }", ""),
        # a denial is logic
        ('{ !(name = "int") && name =~ "int|double" }', "double"),
        ('{ !(span.x = 1) && name =~ "int|failed" }', "failed"),
        ("{ !!span.x }", "bool"),
        ("{ !span.list }", ""),
        ('{ .n = 7 && !(name = "x") }', "int"),
        ('{ span.n = 7 && !(name = "x") }', "int"),
        ("{ !span.x && span.x != nil }", ""),
        ("{ span.x }", "bool"),
        ("{ true && span.n = 7 }", "int"),
        ("{ 1 = 2 }", ""),
    ],
)
def test_filter_finds_matching_spans(lake: Lake, query: str, names: str) -> None:
    assert lake.names(query) == names.split()


@pytest.mark.parametrize("key", NASTY)
def test_filter_treats_text_as_data(lake: Lake, key: str) -> None:
    text, attribute = quote(NASTY[key]), quoted_key(NASTY[key])
    pattern = quote("\\Q" + NASTY[key])
    assert lake.names(f"{{ span.t = {text} }}") == [key]
    assert lake.names(f"{{ span.t = {text} || span.t = {text} }}") == [key]
    assert lake.names(f"{{ span.t =~ {pattern} }}") == [key]
    assert lake.names(f"{{ span.{attribute} = 1 }}") == [key]
    assert lake.names(f"{{ event.{attribute} = {text} || resource.{attribute} = nil && span.t = {text} }}") == [key]
    assert lake.names(f"{{ name = {text} || link.{attribute} =~ {pattern} || .{attribute} = {text} }}") == []


def quoted_key(key: str) -> str:
    """An attribute's name as TraceQL quotes it."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("size", [128, 2000])
def test_filter_accepts_many_conditions(lake: Lake, size: int) -> None:
    either = " || ".join(f"span.n = {n}" for n in range(size))
    assert lake.names(f"{{ {either} }}") == ["int"]


def test_filter_applies_all_of_many_conditions(lake: Lake) -> None:
    every = " && ".join(f"span.n != {n + 100}" for n in range(2000))
    assert lake.names(f"{{ {every} }}") == ["int"]


@pytest.mark.parametrize("value", ["error", "server", "status", "kind", "1", "name", "true"])
def test_filter_empty_list_is_unequal_to_all_values(lake: Lake, value: str) -> None:
    assert lake.names(f"{{ span.empty != {value} }}") == lake.names(f"{{ {value} != span.empty }}") == ["list"]


def test_filter_mixed_list_is_unequal_where_no_item_is_equal(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    mixed = [1, 2.5]
    lake.add(
        At(1, name="whole", attributes={"a": 1, "b": mixed}),
        At(2, name="real", attributes={"a": 2.5, "b": mixed}),
        At(3, name="other", attributes={"a": 3, "b": mixed}),
    )
    assert lake.names("{ span.a != span.b }") == lake.names("{ span.b != span.a }") == ["other"]
    lake.close()


def test_filter_list_is_unequal_to_values_of_its_items_kind_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    numbers = {"a": [7]}
    lake.add(
        At(1, name="text", attributes={"a": "z"}, resource=numbers),
        At(2, name="other", attributes={"a": 5}, resource=numbers),
        At(3, name="same", attributes={"a": 7}, resource=numbers),
        At(4, name="none", resource=numbers),
    )
    assert lake.names("{ span.a != resource.a }") == lake.names("{ resource.a != span.a }") == ["other"]
    assert lake.names("{ .a != resource.a }") == ["other"]
    lake.close()


def test_filter_finds_keys_without_columns(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.add(At(1, attributes={f"key{n:03}": n for n in range(700)}), At(2, attributes={"key000": -1}))
    found = [n for n in range(0, 700, 50) if lake.names(f"{{ span.key{n:03} = {n} }}") == ["1"]]
    assert found == list(range(0, 700, 50))
    assert any(entry.type == "rest" for entry in lake.index.catalog("kit", 0, MAX))
    lake.close()


def test_filter_finds_key_with_column_in_some_blocks_only(lake: Lake, tmp_path: Path) -> None:
    own = Lake(tmp_path)
    own.add(At(1, trace=1, attributes={"a": 1}))
    own.add(At(2, trace=2, attributes={"a": "text"}))
    own.add(At(3, trace=3))
    assert own.names("{ span.a = 1 }") == ["1"]
    assert own.names('{ span.a = "text" }') == ["2"]
    assert own.names("{ span.a = nil }") == ["3"]
    assert own.names("{ span.a != nil }") == ["1", "2"]
    own.close()
