"""Tests grouping of operators and parsing of stages. The canonical text shows every grouping by parentheses."""

import pytest

from spanlake.traceql import ParseError, ast, parse, print_query
from spanlake.traceql.ast.walk import depth, walk
from spanlake.traceql.parser import MAX_DEPTH, MAX_LENGTH, parse_identifier

EVERYTHING = ast.Pipeline((ast.SpansetFilter(ast.Static(ast.Type.BOOL, value=True)),))

GROUPING = [
    # field expressions
    ("{ .a + .b * .c ^ .d = .e }", "{ (.a + (.b * (.c ^ .d))) = .e }"),
    ("{ .a - .b - .c = 1 }", "{ ((.a - .b) - .c) = 1 }"),
    ("{ .a ^ .b ^ .c = 1 }", "{ (.a ^ (.b ^ .c)) = 1 }"),
    ("{ .a || .b && .c || .d }", "{ ((.a || .b) && .c) || .d }"),
    ("{ .a = 1 && .b = 2 || .c }", "{ ((.a = 1) && (.b = 2)) || .c }"),
    ("{ .a = .b = .c }", "{ (.a = .b) = .c }"),
    ("{ !.a = .b }", "{ (!.a) = .b }"),
    ("{ !.a && .b }", "{ (!.a) && .b }"),
    ("{ -.a + .b = 1 }", "{ ((-.a) + .b) = 1 }"),
    ("{ -.a * .b = 1 }", "{ (-(.a * .b)) = 1 }"),
    ("{ .a - -.b + .c = 1 }", "{ ((.a - (-.b)) + .c) = 1 }"),
    ("{ .a * -.b * .c = 1 }", "{ (.a * (-(.b * .c))) = 1 }"),
    ("{ -2 ^ 2 = .a }", "{ (-(2 ^ 2)) = .a }"),
    ("{ .a = -5 }", "{ .a = (-5) }"),
    ("{ .a = -(-5) }", "{ .a = 5 }"),
    ("{ .a = -minInt }", "{ .a = minInt }"),
    ("{ .a = nil && nil != .b }", "{ (.a = nil) && (.b != nil) }"),
    ("{ .a = .b = nil }", "{ (.a = .b) = nil }"),
    ("{ nil != nil }", "{ false }"),
    ("{}", "{ true }"),
    # spansets
    ("{.a} || {.b} && {.c} >> {.d}", "({ .a } || { .b }) && ({ .c } >> { .d })"),
    ("{.a} > {.b} ~ {.c}", "({ .a } > { .b }) ~ { .c }"),
    ("{.a} > ({.b} ~ {.c})", "{ .a } > ({ .b } ~ { .c })"),
    ("(({.a})) && ({.b})", "{ .a } && { .b }"),
    ("({.a} | {.b}) && ({.c})", "({ .a } | { .b }) && ({ .c })"),
    ("({.a} | {.b})", "{ .a } | { .b }"),
    ("(({.a} | {.b})) && ({.c} | {.d})", "({ .a } | { .b }) && ({ .c } | { .d })"),
    ("({.a}) | {.b}", "{ .a } | { .b }"),
    # scalars
    ("count() + 1 * 2 > 3 - 1", "(count() + (1 * 2)) > (3 - 1)"),
    ("avg(.a) > -1.5", "avg(.a) > -1.5"),
    ("max(.a + 1) = 1h30m", "max(.a + 1) = 1h30m0s"),
    # metrics
    ("{} | rate()by(name,.a)", "{ true } | rate() by (name, .a)"),
    ("({}|rate()) + ({}|rate()) * 2", "({ true } | rate()) + (({ true } | rate()) * 2)"),
    ("({}|rate()) > 1 | topk(2)", "{ true } | rate() > 1 | topk(2)"),
    ("({}|rate() > 2ms) / (1 / 2 + .5)", "({ true } | rate() > 0.002) / 0.5"),
    ("{} | compare({.a})", "{ true } | compare({ .a }, 10)"),
    ("{} with (a=1) with (b=2)", "{ true } with (b=2)"),
    # names as Tempo writes them
    ('{ span:name = "a" }', "{ name = `a` }"),
    ("{ trace:rootService = `b` }", "{ rootServiceName = `b` }"),
    ('{ span."a b" = "`" }', '{ span."a b" = "`" }'),
]


@pytest.mark.parametrize(("text", "canonical"), GROUPING)
def test_parser_groups_operators_by_precedence(text: str, canonical: str) -> None:
    assert print_query(parse(text)) == canonical


CONSTANTS = [
    ("60", ast.Static(ast.Type.INT, 60)),
    ("(-100)", ast.Static(ast.Type.INT, -100)),
    ("(1 / 2)", ast.Static(ast.Type.INT, 0)),
    ("(-7 / 2)", ast.Static(ast.Type.INT, -3)),
    ("(1.0 / 2)", ast.Static(ast.Type.FLOAT, 0.5)),
    ("((7 - 2 * 4) + 1.5)", ast.Static(ast.Type.FLOAT, 0.5)),
]


@pytest.mark.parametrize(("text", "constant"), CONSTANTS)
def test_parser_reads_constants_beside_metrics(text: str, constant: ast.Static) -> None:
    body = parse(f"({{}} | rate()) * {text}").body
    assert isinstance(body, ast.MetricsOperation)
    assert body.right == constant


IDENTIFIERS = [
    ("resource.service.name", ast.Attribute(ast.AttributeScope.RESOURCE, "service.name")),
    (".foo", ast.Attribute(ast.AttributeScope.NONE, "foo")),
    ("span:duration", ast.IntrinsicField(ast.Intrinsic.DURATION)),
]


@pytest.mark.parametrize(("name", "field"), IDENTIFIERS)
def test_parser_reads_attribute_identifier(name: str, field: ast.Attribute | ast.IntrinsicField) -> None:
    assert parse_identifier(name) == field


@pytest.mark.parametrize("name", ["", "foo", "1", ".a = 1", "span.", "{ .a }"])
def test_parser_rejects_malformed_identifier(name: str) -> None:
    with pytest.raises(ParseError):
        parse_identifier(name)


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ("{ } | -count() < 0", "{ } | 0 - count() < 0"),
        ("{ } | count() > -(max(.a) + 1)", "{ } | count() > 0 - (max(.a) + 1)"),
        ("({ } | count()) > -({ .a } | count())", "({ } | count()) > 0 - ({ .a } | count())"),
        ("({}|rate()) * (-(-3))", "({}|rate()) * 3"),
        ("{ } | rate() > 1 + 1", "{ } | rate() > 2"),
        ("{ } | rate() > -(1 + 2) * 2 | topk(1)", "{ } | rate() > -6 | topk(1)"),
        ("{ .a = (nil) }", "{ .a = nil }"),
    ],
)
def test_parser_reads_both_spellings_alike(query: str, other: str) -> None:
    assert parse(query) == parse(other)


@pytest.mark.parametrize("query", ["-({ } | rate())", "{ } | rate() > 1s + 1", "{ } | rate() > 1 / 0", "-{ } > 1"])
def test_parser_rejects_what_cannot_be_negated_or_compared_with(query: str) -> None:
    with pytest.raises(ParseError):
        parse(query)


def test_parser_keeps_long_runs_of_logical_operators_shallow() -> None:
    terms = [f".a = {number}" for number in range(5000)]
    query = parse(f"{{ {' || '.join(terms)} }}")
    assert depth(query) < 50
    assert [node.value for node in walk(query) if isinstance(node, ast.Static)] == list(range(5000))


@pytest.mark.parametrize(
    "text",
    [
        "{ " + "(" * 200 + "true" + ")" * 200 + " }",
        "(" * 50_000,
        "{ " + "!" * 50_000 + ".a }",
        "{ " + "-" * 50_000 + "1 = 1 }",
        "{ 1" + " ^ 1" * 30_000 + " = 1 }",
        "{ 1" + " + 1" * 30_000 + " = 1 }",
        "{}" + " > {}" * 20_000,
        "{ .a" + " || .b && .c" * 9_000 + " }",
        "{} | rate()" + " > 1" * 20_000,
        "{ .a = " + "9" * 100_000 + " }",
        "{ .a = " + "1h" * 50_000 + " }",
        "x" * (MAX_LENGTH + 1),
    ],
)
def test_parser_rejects_query_beyond_limits(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert len(str(caught.value)) < 500


def test_parser_returns_no_tree_deeper_than_limit() -> None:
    assert depth(parse("{ 1" + " + (1" * 45 + " + 1 * 2 ^ 3" + ")" * 45 + " = 1 }")) <= MAX_DEPTH


def test_parser_reads_search() -> None:
    query = parse("{} | count() > 1")
    assert not query.is_metrics
    assert query.body.stages[0] == EVERYTHING.stages[0]  # type: ignore[union-attr]


def test_parser_reads_metrics() -> None:
    query = parse("{} | quantile_over_time(duration, .5, 1) by (name) >= 1m")
    aggregate = ast.MetricsAggregate(
        ast.MetricsFunction.QUANTILE_OVER_TIME,
        ast.IntrinsicField(ast.Intrinsic.DURATION),
        (0.5, 1.0),
        (ast.IntrinsicField(ast.Intrinsic.NAME),),
    )
    assert query.is_metrics
    assert isinstance(query.body, ast.SeriesFilter)
    assert query.body.series == ast.MetricsPipeline(EVERYTHING, aggregate)
    assert query.body.value == 60.0


def test_parser_reads_compare() -> None:
    body = parse("{} | compare({ .a }, 3, 100, 200)").body
    assert isinstance(body, ast.MetricsPipeline)
    assert isinstance(body.aggregate, ast.Compare)
    assert (body.aggregate.top, body.aggregate.start_ns, body.aggregate.end_ns) == (3, 100, 200)


def test_parser_reads_scalar_pipelines() -> None:
    body = parse("({} | count()) > 2 * count()").body
    assert isinstance(body, ast.Pipeline)
    (stage,) = body.stages
    assert stage.left == ast.ScalarPipeline(EVERYTHING, ast.Aggregate(ast.AggregateFunction.COUNT))  # type: ignore[union-attr]


def test_parser_keeps_parentheses_of_pipelines_beside_pipelines_only() -> None:
    mixed, plain = parse("({} | {}) && ({})").body, parse("({}) && ({})").body
    assert isinstance(mixed, ast.Pipeline)
    assert isinstance(plain, ast.Pipeline)
    assert isinstance(mixed.stages[0], ast.SpansetOperation)
    assert mixed.stages[0].right == EVERYTHING
    assert isinstance(plain.stages[0], ast.SpansetOperation)
    assert plain.stages[0].right == EVERYTHING.stages[0]


def test_parser_reads_hints() -> None:
    query = parse("{} with (most_recent=true, sample=0.1, sample=5, sample=6)")
    assert query.hints[0] == ast.Hint("most_recent", ast.Static(ast.Type.BOOL, value=True))
    assert query.hint("sample", ast.Type.INT) == ast.Static(ast.Type.INT, 5)
    assert query.hint("sample", ast.Type.FLOAT, ast.Type.INT) == ast.Static(ast.Type.FLOAT, 0.1)
    assert query.hint("sample", ast.Type.BOOL) is None
    assert query.hint("absent", ast.Type.INT) is None


def test_tree_equality_ignores_positions() -> None:
    assert parse("{.a=1}") == parse("{   .a\n= 1 }")
    assert hash(parse("{.a=1}")) == hash(parse("{ .a = 1 }"))


def test_empty_query_equals_parsed_empty_query() -> None:
    assert parse("{ }") == ast.Query(EVERYTHING)
