"""Queries and what is to be made of them: valid, unparsable, mistyped, or without a meaning."""

import pytest

from spanlake.traceql import ParseError, TraceQLError, TypeMismatch, Unsupported, ast, parse, print_query, validate
from spanlake.traceql.lexer import lex
from spanlake.traceql.tokens import ATTRIBUTE_SCOPES, INTRINSICS, LITERALS, SYMBOLS

VALID = [
    "{ } with (order=duration, asc)",
    "{ resource.service.name = nil }",
    "{ event:name = nil }",
    "{ link:spanID = nil }",
    # spanset filters
    "{}",
    "{ true }",
    "{ false || true && false }",
    '{ "b" > "a" }',
    "{ 1.5 != 2 }",
    "{ 1 < 1h }",
    "{ .a }",
    "{ !.a && !(.b || .c) }",
    "{ -.a = 2 }",
    "{ .a = .b }",
    "{ .a = .b = true }",
    '{ .http.status >= "200" }',
    "{ duration > 10ms * 100 }",
    "{ duration * 2 = traceDuration + 1s }",
    "{ 2 ^ .a % 3 = 1 }",
    '{ name =~ "GET .*" && name !~ "" }',
    "{ .a != nil && nil = .b }",
    "{ nil = nil }",
    "{ name != nil }",
    "{ .a = maxInt || .a = minInt }",
    "{ status = error && status != unset }",
    "{ kind = server || kind = producer || kind = consumer || kind = unspecified }",
    '{ statusMessage = "" }',
    '{ rootServiceName = "a" && rootName != "b" }',
    "{ kind = internal && duration <= 1s }",
    "{ traceDuration > 1s && .a - 1 = 2 && .b / 2 = 1 }",
    "{ nestedSetLeft < 3 && nestedSetRight > 1 && nestedSetParent = -1 }",
    '{ trace:id = "0a" && trace:duration > 1s && trace:rootName = "a" && trace:rootService = "b" }',
    '{ span:id = "1" && span:parentID = "2" && span:childCount > 3 && span:name = "n" }',
    '{ span:duration > 1s && span:kind = client && span:status = ok && span:statusMessage = "m" }',
    '{ event:name = "exception" && event:timeSinceStart < 2ms && event.exception.type = "x" }',
    '{ link:spanID = "1" && link:traceID = "2" && link.kind = 3 }',
    '{ instrumentation:name = "n" && instrumentation:version = "1" && instrumentation.language = "go" }',
    '{ resource.service.name = "a" /* a comment */ } // and another',
    # spansets
    "{ .a } && { .b } || { .c }",
    "{ .a } > { .b } >> { .c } < { .d } << { .e } ~ { .f }",
    "{ .a } !> { .b } !>> { .c } !< { .d } !<< { .e } !~ { .f }",
    "{ .a } &> { .b } &>> { .c } &< { .d } &<< { .e } &~ { .f }",
    "({ .a } || { .b }) >> ({ .c })",
    "({ .a } | count() > 1 | { .b }) && ({ .c } | by(.d))",
    "({ .a } | count() > 1) >> ({ .b })",
    "({ .a } | count() > 1)",
    # pipelines
    "{ .a } | { .b } | { .c }",
    "count() > 3",
    "max(duration) > 3s | { status = error }",
    "by(.a) | coalesce() | select(.b, name)",
    "select(span.a)",
    "{ } | count() > 1 + 2 * 3",
    "{ } | avg(.a) >= -1.5",
    "{ } | sum((.a + 1) * 2) != 1h",
    "{ } | min(-duration) < 1",
    "{ } | by(3 * .a - 2) | max(span:childCount) = 1",
    "{ } | count() > 2 with (most_recent=true)",
    # metrics
    "{ } | rate()",
    "{ } | count_over_time() by (name, span.a, resource.b)",
    "{ } | by(.a) | count() > 1 | rate()",
    "{ } | quantile_over_time(duration, 0, .5, 0.99, 1) by (resource.service.name)",
    "{ } | histogram_over_time(span:duration)",
    "{ } | min_over_time(.a) by (trace:rootService)",
    "{ } | max_over_time(span:childCount) by (status)",
    "{ } | avg_over_time(duration)",
    "{ } | sum_over_time(event:timeSinceStart) by (event.a, link.b, instrumentation.c)",
    "{ } | rate() by (.a, .b, .c, .d, .e)",
    "{ } | compare({ status = error })",
    "{ } | compare({ status = error }, 5, 100, 200)",
    "{ } | rate() > 10 | topk(3) < 1h | bottomk(2) != -1.5",
    "({ } | rate())",
    "({ } | rate() > 1) / ({ } | rate() | topk(1))",
    "(({ } | rate()) * 2) - 3 / ({ } | rate()) > 1 | topk(2)",
    "({ } | rate()) * (-100)",
    "(1 + 2) * 3.5 / ({ } | rate())",
    '{ } | rate() with (sample=0.5, exemplars=10, foo="bar", kind_of=server)',
]

UNPARSABLE = [
    # nothing, or not TraceQL
    ("", 1, 1),
    ("hello", 1, 1),
    ("{", 1, 2),
    ("}", 1, 1),
    ("{ } }", 1, 5),
    ("{ } { }", 1, 5),
    ("[ true ]", 1, 1),
    ("true", 1, 1),
    # field expressions
    ("{ . }", 1, 4),
    ("{ span. }", 1, 8),
    ("{ < }", 1, 3),
    ("{ .a < }", 1, 8),
    ("{ .a < 3", 1, 9),
    ("{ (.a < 3 }", 1, 11),
    ("{ .a .b }", 1, 6),
    ("{ .a == 1 }", 1, 7),
    ("{ .a <> 1 }", 1, 7),
    ("{ .a & .b }", 1, 6),
    ('{ foo = "bar" }', 1, 3),
    ("{ status = maybe }", 1, 12),
    ("{ min(duration) > 1 }", 1, 3),
    ("{ childCount > 1 }", 1, 3),
    ("{ nil }", 1, 3),
    ("{ .a > nil }", 1, 6),
    ("{ -nil = .a }", 1, 4),
    ("{ span:nope = 1 }", 1, 3),
    ("{ parent:id = 1 }", 1, 9),
    ("{ trace:name = 1 }", 1, 3),
    ("{ trace:status = error }", 1, 3),
    ('{ span:rootName = "a" }', 1, 3),
    ("{ nil > nil }", 1, 7),
    ("{ true and false }", 1, 8),
    ('{ .a in ("b") }', 1, 6),
    # literals
    ('{ .a = "b }', 1, 8),
    (r'{ .a = "\q" }', 1, 8),
    (r'{ .a = "\xff" }', 1, 8),
    ("{ .a = 'b' }", 1, 8),
    ("{ duration > 1parsec }", 1, 14),
    ("{ duration > 1.5D }", 1, 14),
    ("{ .a = 9223372036854775808 }", 1, 8),
    ("{ .a = 1e999 }", 1, 8),
    ("{ .a = 0x10 }", 1, 8),
    ("{ .a = ٣ }", 1, 8),
    ('{ ."a }', 1, 4),
    (r'{ ."a\n" }', 1, 7),
    ("{ } /* and", 1, 5),
    # spansets
    ("( true )", 1, 3),
    ("{ } !! { }", 1, 5),
    ("{ } <> { }", 1, 6),
    ("{ } + { }", 1, 5),
    ("{ } - { }", 1, 5),
    ("{ } <= { }", 1, 5),
    ("{ } = { }", 1, 5),
    ("{ } >= { }", 1, 5),
    ("{ } && 3", 1, 5),
    ("{ } &&", 1, 7),
    ("({ }", 1, 5),
    ("()", 1, 2),
    # pipelines
    ("{ } |", 1, 6),
    ("{ } | nope() > 1", 1, 7),
    ("{ } | count()", 1, 14),
    ("{ } | count = 1", 1, 13),
    ("{ } | count(.a) = 1", 1, 13),
    ("{ } | max() = 1", 1, 11),
    ("{ } | count() > ", 1, 17),
    ("{ } | count() > 1 > 2", 1, 19),
    ('{ } | count() > "a"', 1, 17),
    ("count() > 3 && { }", 1, 13),
    ("({ }) && (count())", 1, 7),
    ("({ }) + (count()) = 1", 1, 7),
    ("({ } | count()) + ({ } | count())", 1, 34),
    ("({ } | count()) && ({ } | count()) = 1", 1, 17),
    ('max(name) = "a"', 1, 13),
    ("2 > 1 > 0", 1, 7),
    ("avg(.a) + 1", 1, 12),
    ("avg(.a) ~ 1", 1, 9),
    ("coalesce() | { }", 1, 1),
    ("{ } | coalesce", 1, 15),
    ("{ } | by()", 1, 10),
    ("{ } | by(nonexistent)", 1, 10),
    ("{ } | select()", 1, 14),
    ("select(1)", 1, 8),
    ("select(foo)", 1, 8),
    ("{ } | select(.a + 1)", 1, 17),
    ("{ } | select(.a", 1, 16),
    # metrics
    ("rate()", 1, 1),
    ("{ } | topk(3)", 1, 7),
    ("{ } | rate", 1, 11),
    ("{ } | rate(duration)", 1, 12),
    ("{ } | sum_over_time()", 1, 21),
    ("{ } | sum_over_time(duration + 1)", 1, 30),
    ("{ } | quantile_over_time(duration)", 1, 34),
    ("{ } | quantile_over_time(duration, -1)", 1, 36),
    ("{ } | quantile_over_time(duration, .5, )", 1, 40),
    ("{ } | compare({ }) by (.a)", 1, 20),
    ("{ } | rate() | rate()", 1, 16),
    ("{ } | rate() by ()", 1, 18),
    ("{ } | rate() by (1)", 1, 18),
    ("{ } | rate() == 1", 1, 15),
    ("{ } | rate() > .a", 1, 16),
    ("{ } | rate() | count() > 1", 1, 16),
    ("{ } | rate() | topk(-1)", 1, 21),
    ("{ } | rate() | topk(1.5)", 1, 21),
    ("{ } | compare({ }, 1, 2)", 1, 24),
    ("{ } | compare(5)", 1, 15),
    ("{ } | rate() / { } | rate()", 1, 14),
    ("({ } | rate()) % 2", 1, 16),
    ("({ } | rate()) * (1 / 0)", 1, 16),
    ("({ } | rate()) * 2s", 1, 16),
    ("({ } | rate()) * count()", 1, 16),
    ("({ } | rate()) * (2 ^ 2)", 1, 16),
    ("({ } | rate()) * (maxInt + 1)", 1, 16),
    ("({ } | rate()) && { }", 1, 16),
    ("1 < ({ } | rate())", 1, 3),
    ("{ } | ({ } | rate())", 1, 7),
    # hints
    ("{ } with", 1, 9),
    ("{ } with ()", 1, 11),
    ("{ } with (a=.b)", 1, 13),
    ("{ } with (a=1) | count() > 1", 1, 16),
    ("with (a=true)", 1, 1),
]

MISTYPED = [
    # conditions must be true or false
    ("{ status }", 1, 3),
    ("{ 1 + .a }", 1, 5),
    ('{ "foo" }', 1, 3),
    ("{ duration }", 1, 3),
    ("{ } >> { 1h }", 1, 10),
    # operands that do not go together, or not with the operator
    ('{ 1 + "foo" = 1 }', 1, 5),
    ("{ name > 1 }", 1, 8),
    ("{ rootServiceName = 1 }", 1, 19),
    ('{ kind = "client" }', 1, 8),
    ("{ status = 2 }", 1, 10),
    ("{ 1 = true }", 1, 5),
    ("{ status > ok }", 1, 10),
    ("{ true > false }", 1, 8),
    ('{ .a + "b" = 1 }', 1, 6),
    ("{ .a && 1 }", 1, 6),
    ("{ .a || name }", 1, 6),
    ("{ 1 =~ 2 }", 1, 5),
    ("{ duration > 1s && -name = 1 }", 1, 20),
    ("{ !1 = 1 }", 1, 3),
    ("{ -true }", 1, 3),
    # regular expressions
    ('{ .a =~ "[" }', 1, 9),
    ('{ .a !~ "(?=x)" }', 1, 9),
    ("{ .a =~ .b }", 1, 9),
    ("{ .a =~ 1 }", 1, 6),
    # nil
    ("{ name = nil }", 1, 3),
    # pipelines
    ("{ } | max(name) > 1", 1, 11),
    ("{ } | avg(1) > 1", 1, 11),
    ("{ } | min(.a = 1) > 1", 1, 14),
    ("{ } | by(1)", 1, 10),
    ("{ } | by(name > 1)", 1, 15),
    ("({ name > 1 } | count() > 1) && ({ .a } | count() > 1)", 1, 9),
    # metrics
    ("{ name > 1 } | rate()", 1, 8),
    ("{ } | quantile_over_time(duration, 2)", 1, 7),
    ("{ } | rate() | topk(0)", 1, 16),
    ("{ } | compare({ name })", 1, 17),
    ("{ } | compare({ .a }, 0)", 1, 7),
    ("{ } | compare({ .a }, 1, 200, 100)", 1, 7),
    ("{ } | compare({ .a }) | topk(1)", 1, 7),
    ("({ } | compare({ .a })) * 2", 1, 8),
]

BEYOND_TEMPO = [
    # the parent scope
    '{ parent.resource.service.name = "cart" }',
    "{ parent.duration > 1s }",
    "{ parent.span.a = parent.b }",
    "{ parent.name = nil }",
    "{ parent = nil }",
    "{ parent.resource.a && true }",
    "{ parent.a } >> { .b }",
    "{ (-(3 / 2) * .a - parent.b + .c) ^ 3 = 2 }",
    "{ } | max(parent.a) = 1",
    "{ } | by(parent.name) | count() > 1",
    "{ } | select(parent.duration)",
    "{ } | rate() by (parent.name)",
    "{ } | avg_over_time(parent.duration)",
    "{ } | compare({ parent.kind = server })",
    # scalars on both sides
    "{ } | max(duration) > 2 * avg(duration)",
    "{ } | count() * 2 > 40",
    "{ } | 2 < count()",
    "{ } | min(.a) < max(.b)",
    "{ } | count() + count() = 1",
    "max(1 - (2 + .a)) < avg(3 * duration ^ 2)",
    "({ .a } | count()) > ({ .b } | count())",
    "({ .a } | count()) + ({ name = `b` } | avg(duration)) = 2",
    "({ } | count()) / ({ } | count()) > ({ } | count()) / ({ } | count())",
    "({ .a } | count()) * 2 + 1 > 3",
    # pipelines beside spansets
    "({ status = error } | count() > 2) && { kind = server }",
    "{ kind = server } >> ({ status = error } | count() > 2)",
    "({ .a } | count() > 1) | { .b }",
    "({ .a } | count() > 1) | rate()",
    "(({ .a } | count() > 1) && { .b }) | count() > 1",
    # metrics
    "{ } | rate() by (.a, .b, .c, .d, .e, .f)",
    "{ } | avg_over_time(.x) by (.a, .b, .c, .d, .e)",
    "(({ } | rate()) * 2 > 1) + ({ } | rate())",
]

NEVER_SUPPORTED = [
    ("3 = 2", 1, 3),
    ("{ } | 1 + 1 > 1", 1, 13),
    ("{ parent.nestedSetLeft = 1 }", 1, 3),
    ("{ parent.nestedSetRight = 1 }", 1, 3),
    ("{ parent.nestedSetParent = 1 }", 1, 3),
    ("{ } | by(parent.span:childCount)", 1, 10),
]


@pytest.mark.parametrize("query", VALID)
def test_check_accepts_valid_query(query: str) -> None:
    validate(parse(query))


@pytest.mark.parametrize(("query", "line", "column"), UNPARSABLE)
def test_parse_rejects_unparsable_query_with_position(query: str, line: int, column: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse(query)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(("query", "line", "column"), MISTYPED)
def test_check_rejects_mistyped_query_with_position(query: str, line: int, column: int) -> None:
    with pytest.raises(TypeMismatch) as caught:
        validate(parse(query))
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("query", BEYOND_TEMPO)
def test_check_accepts_query_that_tempo_refuses(query: str) -> None:
    parsed = parse(query)
    assert validate(parsed) == parsed


@pytest.mark.parametrize(("query", "line", "column"), NEVER_SUPPORTED)
def test_check_rejects_unsupported_query_with_position(query: str, line: int, column: int) -> None:
    with pytest.raises(Unsupported) as caught:
        validate(parse(query))
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("query", [*VALID, *BEYOND_TEMPO, *(query for query, _, _ in MISTYPED + NEVER_SUPPORTED)])
def test_print_query_parses_back_to_equal_tree(query: str) -> None:
    parsed = parse(query)
    assert parse(print_query(parsed)) == parsed


@pytest.mark.parametrize(
    "condition", ["parent", "parent = 1", "1 % parent = 1", "1 >= parent", "-parent = nil", "!parent = nil"]
)
def test_check_compares_intrinsic_parent_with_nil_only(condition: str) -> None:
    with pytest.raises(TypeMismatch, match="nil"):
        validate(parse(f"{{ {condition} }}"))


def test_query_errors_derive_from_traceql_error() -> None:
    assert all(issubclass(kind, TraceQLError) for kind in (ParseError, TypeMismatch, Unsupported))


def test_query_bank_has_every_word_of_the_language() -> None:
    queries = [*VALID, *BEYOND_TEMPO]
    used = {token.text for query in queries for token in lex(query)}
    scopes = {text.partition(".")[0] for text in used if "." in text}
    stages = {"by", "coalesce", "select", "compare", "with", "nil"}
    words = {*ast.AggregateFunction, *ast.MetricsFunction, *ast.RankFunction, *stages, *SYMBOLS, *LITERALS, *INTRINSICS}
    assert words - used == set()
    assert {*ATTRIBUTE_SCOPES, "parent"} <= scopes
