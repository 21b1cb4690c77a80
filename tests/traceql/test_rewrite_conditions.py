"""Comparisons of a field with literals, and the parts of a filter that all must hold."""

import pytest

from spanlake.traceql import ast, parse, validate
from spanlake.traceql.printer import print_field
from spanlake.traceql.rewrite import comparison, conjuncts


def condition(text: str) -> ast.FieldExpression:
    body = validate(parse(text)).body
    assert isinstance(body, ast.Pipeline)
    assert isinstance(body.stages[0], ast.SpansetFilter)
    return body.stages[0].condition


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("{ span.a = 1 }", "span.a = 1"),
        ("{ 1 < span.a }", "span.a > 1"),
        ("{ span.a = 1 || span.a = 2 }", "span.a = 1 2"),
        ("{ span.a != 1 && span.a != 2 }", "span.a != 1 2"),
        ("{ span.a = 1 && span.a = 2 }", None),
        ("{ span.a = 1 || span.a = `x` }", None),
        ("{ span.a = 1 || span.b = 2 }", None),
        ("{ span.a + span.b > 1 }", None),
        ("{ span.a != nil }", None),
    ],
)
def test_comparison_reads_field_operator_and_literals(query: str, wanted: str | None) -> None:
    found = comparison(condition(query))
    statics = " ".join(str(static.value) for static in found.statics) if found else ""
    assert (found and f"{print_field(found.field)} {found.op.value} {statics}") == wanted


def test_conjuncts_splits_nested_conjunction() -> None:
    assert (
        len(list(conjuncts(condition("{ span.a = 1 && (span.b = 2 && span.c = 3 || span.d = 4) && name = `x` }")))) == 3
    )
