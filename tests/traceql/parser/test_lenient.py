"""Tests the conditions of a query still being typed. Rules: Tempo's ``lenient_parser.go``, ``lenient_extract.go``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.traceql import ast, print_query
from spanlake.traceql.parser.lenient import filters

UNDERSTOOD = [
    # whole queries
    ('{ span.a = "x" }', '{ span.a = "x" }'),
    ("{ .a = 1 && .b > 2 && duration < 3s }", "{ ((.a = 1) && (.b > 2)) && (duration < 3s) }"),
    ("{ 1 = .a }", "{ 1 = .a }"),
    ("{ .a = -5 }", "{ .a = (-5) }"),
    ('{ .a =~ "x.*" || status = error }', '{ (.a =~ "x.*") || (status = error) }'),
    ("{ .a = nil }", "{ .a = nil }"),
    ("{ .a = 1 } | rate() by (.b)", "{ .a = 1 }"),
    ("{ .a = 1 } | { .b = 2 } | count() > 3", "{ .a = 1 }"),
    ("({ .a = 1 } | count() > 3)", "{ .a = 1 }"),
    # any condition counts
    ("{ .a = 1 && .b != nil }", "{ (.a = 1) && (.b != nil) }"),
    ("{ .a = 1 && .b = .c }", "{ (.a = 1) && (.b = .c) }"),
    ("{ .a = 1 && .b + 1 = 2 }", "{ (.a = 1) && ((.b + 1) = 2) }"),
    ("{ .a = 1 && !.b && true }", "{ ((.a = 1) && (!.b)) && true }"),
    ("{ .a }", "{ .a }"),
    ("{ .a || .b = 1 }", "{ .a || (.b = 1) }"),
    ("{ parent.a = 1 }", "{ parent.a = 1 }"),
    # but for fields and constants in a query that is not finished
    ("{ .a = 1 && (.b = 2 || .c) && .d = }", "{ .a = 1 }"),
    # unfinished queries
    ('{ span.a = "GET" && resource.b = }', '{ span.a = "GET" }'),
    ("{ .a = && .b = 1 }", "{ .b = 1 }"),
    ("{ (.a = && .b = ) && .c = 1 }", "{ .c = 1 }"),
    ("{ .a = 1 && .b =~", "{ .a = 1 }"),
    ("{ .a = 1", "{ .a = 1 }"),
    ("{ (.a = 1 || .b = 2", "{ (.a = 1) || (.b = 2) }"),
    ("{ .a = 1 && }", "{ .a = 1 }"),
    ("{ && .a = 1 }", "{ .a = 1 }"),
    ("{ .a = 1 && || .b = 2 }", "{ (.a = 1) || (.b = 2) }"),
    ('{ .a = 1 && .b = "unclosed', "{ .a = 1 }"),
    ('{ span."a b" = 1 && .c = }', '{ span."a b" = 1 }'),
    ("{ .a = 1 && .b = } | rate() by (.c)", "{ .a = 1 }"),
    ("{ .a = 1 && name = }", "{ .a = 1 }"),
    ("{ name = && .a = 1", "{ .a = 1 }"),
    ("{.a=1&&kind=}", "{ .a = 1 }"),
    ("{ .a = 1 && name && .b = }", "{ .a = 1 }"),
    ("{ .a = 1 && duration > } | count() > 1", "{ .a = 1 }"),
    ("{ .a = 1 && span.", "{ .a = 1 }"),
    # conditions whose types do not fit are left out
    ("{ .a = 1 && name > 1 && .b = 2 }", "{ (.a = 1) && (.b = 2) }"),
    ('{ .a =~ "[" && .b = 2 }', "{ .b = 2 }"),
    ("{ .a && .b > true }", "{ .a }"),
    ("{ name > 1 && .a = 2 && .b }", "{ (.a = 2) && .b }"),
]

NOT_UNDERSTOOD = [
    "",
    "  ",
    "{",
    "{}",
    "{ true }",
    "{ .a = }",
    "{ .a = 1 || .b = }",
    "{ .a = 1 } >> { .b = 2 }",
    "{ .a = 1 } && { .b = 2 }",
    "count() > 3",
    "{ name > 1 }",
    "{ foo = 1 && .a = 1 }",
    "{ .a = 1 && na",
    "{ foo = 1 && .a = 1 } && { .b = 2 }",
    "foo = 1 && .a = 1",
    '{ .a =~ "[" }',
    "({ .a = 1 } | rate()) * 2",
    "not a query ???",
    "&&",
    "{" * 1000,
    "(" * 50_000,
    "{ .a = 1 && " * 20_000,
]


@pytest.mark.parametrize(("text", "condition"), UNDERSTOOD)
def test_filters_reads_complete_conditions_of_unfinished_query(text: str, condition: str) -> None:
    found = filters(text)
    assert found is not None
    assert print_query(ast.Query(ast.Pipeline((found,)))).replace("`", '"') == condition


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_filters_of_query_without_conditions_is_none(text: str) -> None:
    assert filters(text) is None


WORDS = [
    "{",
    "}",
    "(",
    ")",
    "|",
    "&&",
    "||",
    "=",
    "!=",
    "=~",
    ">",
    "!",
    "-",
    ".a",
    "span.b",
    "name",
    "1",
    '"x"',
    "nil",
    '"',
]


@given(st.lists(st.sampled_from(WORDS), max_size=20))
def test_filters_never_raises(words: list[str]) -> None:
    filters(" ".join(words))
