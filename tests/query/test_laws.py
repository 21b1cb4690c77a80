"""Whatever the spans and whatever the query: the answer is that of a few lines of Python.

One evaluator is of span filters, where a comparison with a literal holds for values of its kind only and anything
with nil is false; the other of spanset operators, over links from child to parent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.query.kit import At, Lake

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("laws"))
    yield lake
    lake.close()


@dataclass
class Tenants:
    """A tenant for each example: what it stores is all there is."""

    count: int = 0

    def next(self) -> str:
        self.count += 1
        return f"t{self.count}"


TENANTS = st.just(Tenants())


# filters

VALUES: list[Any] = [0, 1, -3, 2.5, 1.0, "a", "b", "", True, False, [1, 2], ["a"], [1, "a"], [], {"k": 1}]
attributes = st.dictionaries(st.sampled_from("xyz"), st.sampled_from(VALUES), max_size=3)
spans = st.builds(
    At,
    id=st.integers(1, 9),
    name=st.sampled_from("ab"),
    trace=st.integers(1, 3),
    status=st.sampled_from([None, 0, 1, 2]),
    attributes=attributes,
    resource=attributes,
)

Test = Callable[[At], bool]


@dataclass(frozen=True)
class Filter:
    """A filter's text, and what it says."""

    text: str
    holds: Test


def compared(scope: str, key: str, op: str, literal: Any) -> Filter:
    text = f'"{literal}"' if isinstance(literal, str) else str(literal).lower()
    compare = COMPARE[op]

    def holds(span: At) -> bool:
        value = value_of(span, scope, key)
        fitting = [item for item in items(value) if kind(item) is kind(literal)]
        if op == "!=" and isinstance(value, list):
            return (bool(fitting) or not value) and literal not in fitting
        return any(compare(item, literal) for item in fitting)

    return Filter(f"{scope}.{key} {op} {text}", holds)


def kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def value_of(span: At, scope: str, key: str) -> Any:
    return (span.attributes if scope == "span" else span.resource).get(key)


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def exists(scope: str, key: str, there: bool) -> Filter:
    op = "!=" if there else "="
    return Filter(f"{scope}.{key} {op} nil", lambda span: (value_of(span, scope, key) is not None) is there)


def matched(scope: str, key: str, pattern: str) -> Filter:
    text = {"a": "a", "b": "b", "": ""}
    wanted = {"a|b": {"a", "b"}, ".*": set(text), "a.*": {"a"}, ".": {"a", "b"}}[pattern]
    return Filter(
        f'{scope}.{key} =~ "{pattern}"',
        lambda span: any(isinstance(value, str) and value in wanted for value in items(value_of(span, scope, key))),
    )


def both(one: Filter, other: Filter) -> Filter:
    return Filter(f"({one.text} && {other.text})", lambda span: one.holds(span) and other.holds(span))


def either(one: Filter, other: Filter) -> Filter:
    return Filter(f"({one.text} || {other.text})", lambda span: one.holds(span) or other.holds(span))


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    ">=": lambda a, b: bool(a >= b),
}
ORDERED = [0, 1, 2.5, 1.0, "a", "b"]
scopes, keys = st.sampled_from(["span", "resource"]), st.sampled_from("xyz")
leaves = st.one_of(
    st.builds(compared, scopes, keys, st.sampled_from(list(COMPARE)), st.sampled_from(ORDERED)),
    st.builds(compared, scopes, keys, st.sampled_from(["=", "!="]), st.booleans()),
    st.builds(exists, scopes, keys, st.booleans()),
    st.builds(matched, scopes, keys, st.sampled_from(["a|b", ".*", "a.*", "."])),
    st.sampled_from(
        [
            Filter('name = "a"', lambda span: span.name == "a"),
            Filter("status = error", lambda span: span.status == 2),
            Filter("status = unset", lambda span: not span.status),
        ]
    ),
)
filters = st.recursive(
    leaves, lambda inner: st.builds(both, inner, inner) | st.builds(either, inner, inner), max_leaves=5
)


@SLOW
@given(st.lists(spans, min_size=1, max_size=8), filters, st.booleans(), TENANTS)
def test_filters(lake: Lake, stored: list[At], wanted: Filter, apart: bool, tenants: Tenants) -> None:
    tenant = tenants.next()
    (lake.add_apart if apart else lake.add)(*stored, tenant=tenant)
    distinct = {repr(span): span for span in stored}.values()  # a span that is sent twice is one
    expected = sorted(span.name for span in distinct if wanted.holds(span))
    assert lake.names(f"{{ {wanted.text} }}", tenant=tenant) == expected
    assert lake.names(f"{{ {wanted.text} }} | count() > 0", tenant=tenant) == expected
    assert lake.names(f"{{ {wanted.text} }} || {{ 1 = 2 }}", tenant=tenant) == expected


# spanset operators

Tree = list[At]
Numbers = frozenset[int]
Set = Callable[[Tree], Numbers]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A trace of spans with one id each; parents may be missing, later, or the span itself."""
    size = draw(st.integers(1, 7))
    parents = [draw(st.integers(0, size + 1)) for _ in range(size)]
    order = draw(st.permutations(range(size)))
    return [At(n + 1, parents[n], attributes={"k": draw(st.integers(0, 2))}) for n in order]


@dataclass(frozen=True)
class Spanset:
    """A spanset expression's text, and the numbers of its spans."""

    text: str
    spans: Set


def leaf(k: int) -> Spanset:
    return Spanset(f"{{ span.k = {k} }}", lambda tree: frozenset(one.id for one in tree if one.attributes["k"] == k))


def operation(op: str, left: Spanset, right: Spanset) -> Spanset:
    return Spanset(
        f"({left.text} {op} {right.text})", lambda tree: apply(op, tree, left.spans(tree), right.spans(tree))
    )


def apply(op: str, tree: Tree, left: Numbers, right: Numbers) -> Numbers:
    if op == "||":
        return left | right
    if op == "&&":
        return left | right if left and right else frozenset()
    relation = RELATIONS[op.lstrip("!&")]
    links = {one.id: one.parent for one in tree}
    stands = {b for b in right if any(related(links, relation, a, b) for a in left)}
    if op.startswith("!"):
        return right - stands
    if op.startswith("&"):
        return frozenset(stands | {a for a in left if any(related(links, relation, a, b) for b in right)})
    return frozenset(stands)


def related(links: dict[int, int], relation: Callable[[dict[int, int], int, int], bool], a: int, b: int) -> bool:
    """No span stands in a relation to itself."""
    return a != b and relation(links, a, b)


def ancestors(links: dict[int, int], one: int) -> list[int]:
    found: list[int] = []
    while (one := links.get(one, 0)) and one not in found:
        found.append(one)
    return found


def is_own(links: dict[int, int], one: int) -> bool:
    """Returns True where a span names itself as its parent: it has none then, unlike others that name it."""
    return links[one] == one


RELATIONS: dict[str, Callable[[dict[int, int], int, int], bool]] = {
    ">": lambda links, a, b: links[b] == a,
    "<": lambda links, a, b: links[a] == b,
    ">>": lambda links, a, b: a in ancestors(links, b),
    "<<": lambda links, a, b: b in ancestors(links, a),
    "~": lambda links, a, b: links[a] == links[b] != 0 and is_own(links, a) is is_own(links, b),
}
OPERATORS = ["&&", "||", *RELATIONS, *(f"!{op}" for op in RELATIONS), *(f"&{op}" for op in RELATIONS)]
spansets = st.recursive(
    st.builds(leaf, st.integers(0, 2)),
    lambda inner: st.builds(operation, st.sampled_from(OPERATORS), inner, inner),
    max_leaves=4,
)


@SLOW
@given(trees(), spansets, st.booleans(), TENANTS)
def test_spanset_operators(lake: Lake, tree: Tree, wanted: Spanset, apart: bool, tenants: Tenants) -> None:
    tenant = tenants.next()
    (lake.add_apart if apart else lake.add)(*tree, tenant=tenant)
    assert lake.names(wanted.text, tenant=tenant) == sorted(str(number) for number in wanted.spans(tree))
