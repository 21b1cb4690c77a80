"""Printing a tree and parsing the text gives the same tree, for any tree the parser can make."""

from contextlib import suppress
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from spanlake.traceql import ParseError, TypeMismatch, Unsupported, ast, parse, print_query, validate
from spanlake.traceql.literals import MAX_NS

T = TypeVar("T")
Series = ast.MetricsPipeline | ast.MetricsOperation | ast.Rank | ast.SeriesFilter

COMPARING = [op for op in ast.BinaryOperator if op.is_comparison]
ARITHMETIC = [op for op in ast.BinaryOperator if op.is_arithmetic]
BASIC = [ast.BinaryOperator.ADD, ast.BinaryOperator.SUBTRACT, ast.BinaryOperator.MULTIPLY, ast.BinaryOperator.DIVIDE]
NESTABLE_SCOPES = [ast.AttributeScope.NONE, ast.AttributeScope.SPAN, ast.AttributeScope.RESOURCE]


def brief(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Returns the strategy under a short name: hypothesis would spell it out wherever it is part of another."""

    @st.composite
    def drawn(draw: st.DrawFn) -> T:
        return draw(strategy)

    return drawn()


finite = st.floats(allow_nan=False, allow_infinity=False)
ints = st.integers(-(2**63), 2**63 - 1).map(lambda value: ast.Static(ast.Type.INT, value))
floats = finite.map(lambda value: ast.Static(ast.Type.FLOAT, value))
durations = st.integers(-MAX_NS, MAX_NS).map(lambda value: ast.Static(ast.Type.DURATION, value))
numbers = ints | floats | durations
words: st.SearchStrategy[ast.Static] = (
    st.text(max_size=8).map(lambda value: ast.Static(ast.Type.STRING, value))
    | st.booleans().map(lambda value: ast.Static(ast.Type.BOOL, value))
    | st.sampled_from(ast.Status).map(lambda value: ast.Static(ast.Type.STATUS, value))
    | st.sampled_from(ast.Kind).map(lambda value: ast.Static(ast.Type.KIND, value))
)
keys = st.text(max_size=8) | st.sampled_from(["a.b", "duration", "span.a", "resource.b", "5xx", 'a"b', "a\\", "a//b"])
fields: st.SearchStrategy[ast.Field] = (
    st.builds(ast.Attribute, st.sampled_from(ast.AttributeScope), keys)
    | st.builds(ast.Attribute, st.sampled_from(NESTABLE_SCOPES), keys, parent=st.just(True))
    | st.builds(ast.IntrinsicField, st.sampled_from(ast.Intrinsic), parent=st.booleans())
)


def is_parsed(node: ast.FieldExpression) -> bool:
    """Returns True where the parser makes such a node: the minus of a number is in the number."""
    if not isinstance(node, ast.Unary) or node.op is ast.UnaryOperator.NOT:
        return True
    return not (
        isinstance(node.operand, ast.Static) and node.operand.type in (ast.Type.INT, ast.Type.FLOAT, ast.Type.DURATION)
    )


def operations(operands: st.SearchStrategy[ast.FieldExpression]) -> st.SearchStrategy[ast.FieldExpression]:
    return (
        st.builds(ast.Binary, st.sampled_from(ast.BinaryOperator), operands, operands)
        | st.builds(ast.Unary, st.sampled_from(ast.UnaryOperator), operands).filter(is_parsed)
        | st.builds(ast.Exists, operands, negated=st.booleans())
    )


expressions = brief(st.recursive(fields | numbers | words, operations, max_leaves=8))

filters = st.builds(ast.SpansetFilter, expressions)
aggregates = st.just(ast.Aggregate(ast.AggregateFunction.COUNT)) | st.builds(
    ast.Aggregate, st.sampled_from(ast.AggregateFunction).filter(lambda function: function != "count"), expressions
)


def spanset_operations(operands: st.SearchStrategy[ast.SpansetExpression]) -> st.SearchStrategy[ast.SpansetExpression]:
    return st.builds(ast.SpansetOperation, st.sampled_from(ast.SpansetOperator), operands, operands)


plain_spansets = brief(st.recursive(filters, spanset_operations, max_leaves=4))


def scalars(leaves: st.SearchStrategy[ast.ScalarExpression]) -> st.SearchStrategy[ast.ScalarExpression]:
    return st.recursive(
        leaves,
        lambda operands: st.builds(ast.ScalarOperation, st.sampled_from(ARITHMETIC), operands, operands),
        max_leaves=4,
    )


def scalar_filters(operands: st.SearchStrategy[ast.ScalarExpression]) -> st.SearchStrategy[ast.ScalarFilter]:
    return st.builds(ast.ScalarFilter, st.sampled_from(COMPARING), operands, operands)


grouping = st.builds(ast.GroupBy, expressions) | st.builds(
    ast.Select, st.lists(fields, min_size=1, max_size=3).map(tuple)
)
first_stages: st.SearchStrategy[ast.Stage] = brief(
    plain_spansets | grouping | scalar_filters(scalars(numbers | aggregates))
)
later_stages: st.SearchStrategy[ast.Stage] = brief(first_stages | st.just(ast.Coalesce()))


def pipelines(min_later: int) -> st.SearchStrategy[ast.Pipeline]:
    later = st.lists(later_stages, min_size=min_later, max_size=3)
    return st.builds(lambda first, rest: ast.Pipeline((first, *rest)), first_stages, later)


wrapped = brief(pipelines(min_later=1))
wrapped_spansets: st.SearchStrategy[ast.SpansetExpression] = st.recursive(wrapped, spanset_operations, max_leaves=3)
scalar_pipelines = brief(st.builds(ast.ScalarPipeline, pipelines(min_later=0), scalars(numbers | aggregates)))
nested: st.SearchStrategy[ast.Pipeline] = st.builds(
    lambda stages: ast.Pipeline(tuple(stages)),
    st.lists(wrapped_spansets | scalar_filters(scalars(scalar_pipelines | aggregates)), min_size=2, max_size=3)
    | st.lists(spanset_operations(wrapped_spansets), min_size=1, max_size=1),
)
searches = brief(pipelines(min_later=0) | nested)

counting = [ast.MetricsFunction.RATE, ast.MetricsFunction.COUNT_OVER_TIME]
measuring = [function for function in ast.MetricsFunction if function not in [*counting, "quantile_over_time"]]
labels = st.lists(fields, max_size=3).map(tuple)
quantiles = st.lists(st.floats(0, 1), min_size=1, max_size=3).map(tuple)
metrics_aggregates: st.SearchStrategy[ast.MetricsAggregate | ast.Compare] = (
    st.builds(ast.MetricsAggregate, st.sampled_from(counting), by=labels)
    | st.builds(ast.MetricsAggregate, st.sampled_from(measuring), fields, by=labels)
    | st.builds(ast.MetricsAggregate, st.just(ast.MetricsFunction.QUANTILE_OVER_TIME), fields, quantiles, by=labels)
    | st.builds(ast.Compare, filters, st.integers(0, 99), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
)


def series_operations(operands: st.SearchStrategy[Series]) -> st.SearchStrategy[Series]:
    op, constant = st.sampled_from(BASIC), ints | floats
    return (
        st.builds(ast.MetricsOperation, op, operands, operands | constant)
        | st.builds(ast.MetricsOperation, op, constant, operands)
        | st.builds(ast.Rank, operands, st.sampled_from(ast.RankFunction), st.integers(0, 2**63 - 1))
        | st.builds(ast.SeriesFilter, operands, st.sampled_from(COMPARING), finite)
    )


metrics = st.recursive(st.builds(ast.MetricsPipeline, searches, metrics_aggregates), series_operations, max_leaves=3)
hints = st.lists(
    st.builds(
        ast.Hint,
        st.sampled_from(["sample", "most_recent", "x"]),
        words | st.integers(0, 9).map(lambda n: ast.Static(ast.Type.INT, n)),
    ),
    max_size=2,
).map(tuple)


@given(st.builds(ast.Query, searches | metrics, hints))
def test_print_query_parses_back_to_equal_tree(query: ast.Query) -> None:
    assert parse(print_query(query)) == query


@given(st.builds(ast.Query, searches | metrics))
def test_check_raises_only_traceql_errors(query: ast.Query) -> None:
    with suppress(TypeMismatch, Unsupported):
        assert validate(query) == query


PIECES = [
    *("{", "}", "(", ")", "|", ",", "&&", "||", "=", "!=", "=~", ">", ">>", "!~", "&<", "!", "-", "+", "^", "%"),
    *(".a", "span.", "parent.", "name", "trace:id", "nil", "1", "2.5", "3ms", "`x`", '"', "ok", "/*", "#", "é"),
    *("count", "max", "by", "select", "coalesce", "rate", "quantile_over_time", "compare", "topk", "with", "foo"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_parse_of_any_text_returns_tree_or_raises_parse_error(pieces: list[str]) -> None:
    query = parsed(" ".join(pieces))
    assert query is None or parse(print_query(query)) == query


def parsed(text: str) -> ast.Query | None:
    try:
        return parse(text)
    except ParseError:
        return None
