"""What storage is asked for on behalf of a filter."""

import pytest

from spanlake.traceql import Dialect, check, parse
from spanlake.traceql.conditions import Comparison, Condition, conditions, conjuncts, needs_candidates
from spanlake.traceql.printer import print_field
from spanlake.traceql.tree import FieldExpression, Pipeline, SpansetFilter


def condition(text: str) -> FieldExpression:
    body = check(parse(text), Dialect.tempo()).body
    assert isinstance(body, Pipeline)
    assert isinstance(body.stages[0], SpansetFilter)
    return body.stages[0].condition


def written(item: Condition) -> str:
    field = print_field(item.field)
    if isinstance(item, Comparison):
        return f"{field} {item.op.value} {' '.join(str(static.value) for static in item.statics)}"
    return f"{field} is nil" if item.absent else field


@pytest.mark.parametrize(
    ("query", "wanted", "all_met"),
    [
        ("{}", [], True),
        ("{ span.a = 1 }", ["span.a = 1"], True),
        ("{ 1 < span.a }", ["span.a > 1"], True),
        ("{ span.a = 1 && span.b = 2 }", ["span.a = 1", "span.b = 2"], True),
        ("{ span.a = 1 || span.b = 2 }", ["span.a = 1", "span.b = 2"], False),
        ("{ span.a = 1 || span.a = 2 }", ["span.a = 1 2"], True),
        ("{ span.a != 1 && span.a != 2 }", ["span.a != 1 2"], True),
        ("{ span.a = 1 || span.a = `x` }", ["span.a = 1", "span.a = x"], False),
        ("{ .a = 1 && span.b = 2 }", [".a = 1", "span.b = 2"], False),
        ("{ span.a != nil }", ["span.a"], True),
        ("{ span.a = nil }", ["span.a is nil"], True),
        ("{ span.a + span.b > 1 }", ["span.a", "span.b"], True),
        ("{ !(span.a = 1 || span.b = 2) }", ["span.a = 1", "span.b = 2"], False),
    ],
)
def test_conditions(query: str, wanted: list[str], all_met: bool) -> None:
    found = conditions(condition(query))
    assert [written(item) for item in found.items] == wanted
    assert found.all_met is all_met


@pytest.mark.parametrize(
    ("query", "needed"),
    [
        ("{ span.a = 1 }", False),
        ("{ !(span.a = 1) }", True),
        ("{ -span.a = 1 }", False),
        ("{ true && span.a = 1 }", True),
        ("{ 1 = 1 }", True),
        ("{ 1 + 1 = 2 && span.a = 1 }", True),
        ("{ span.a = 1 || span.b = 2 }", False),
    ],
)
def test_what_could_hold_of_a_span_that_is_never_handed_over(query: str, needed: bool) -> None:
    assert needs_candidates(condition(query)) is needed


def test_conjuncts() -> None:
    assert (
        len(list(conjuncts(condition("{ span.a = 1 && (span.b = 2 && span.c = 3 || span.d = 4) && name = `x` }")))) == 3
    )
