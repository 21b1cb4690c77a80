"""Printing a tree and parsing the text gives the same tree, for any tree the parser can make."""

from contextlib import suppress
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from spanlake.traceql import ParseError, TypeMismatch, Unsupported, check, parse, print_query
from spanlake.traceql.ast.nodes import (
    Aggregate,
    AggregateFunction,
    Attribute,
    AttributeScope,
    Binary,
    BinaryOperator,
    Coalesce,
    Compare,
    Exists,
    Field,
    FieldExpression,
    GroupBy,
    Hint,
    Intrinsic,
    IntrinsicField,
    Kind,
    MetricsAggregate,
    MetricsFunction,
    MetricsOperation,
    MetricsPipeline,
    Pipeline,
    Query,
    Rank,
    RankFunction,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    SeriesFilter,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    SpansetOperator,
    Stage,
    Static,
    Status,
    Type,
    Unary,
    UnaryOperator,
)
from spanlake.traceql.literals import MAX_NS

T = TypeVar("T")
Series = MetricsPipeline | MetricsOperation | Rank | SeriesFilter

COMPARING = [op for op in BinaryOperator if op.is_comparison]
ARITHMETIC = [op for op in BinaryOperator if op.is_arithmetic]
BASIC = [BinaryOperator.ADD, BinaryOperator.SUBTRACT, BinaryOperator.MULTIPLY, BinaryOperator.DIVIDE]
NESTABLE_SCOPES = [AttributeScope.NONE, AttributeScope.SPAN, AttributeScope.RESOURCE]


def brief(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Returns the strategy under a short name: hypothesis would spell it out wherever it is part of another."""

    @st.composite
    def drawn(draw: st.DrawFn) -> T:
        return draw(strategy)

    return drawn()


finite = st.floats(allow_nan=False, allow_infinity=False)
ints = st.integers(-(2**63), 2**63 - 1).map(lambda value: Static(Type.INT, value))
floats = finite.map(lambda value: Static(Type.FLOAT, value))
durations = st.integers(-MAX_NS, MAX_NS).map(lambda value: Static(Type.DURATION, value))
numbers = ints | floats | durations
words: st.SearchStrategy[Static] = (
    st.text(max_size=8).map(lambda value: Static(Type.STRING, value))
    | st.booleans().map(lambda value: Static(Type.BOOL, value))
    | st.sampled_from(Status).map(lambda value: Static(Type.STATUS, value))
    | st.sampled_from(Kind).map(lambda value: Static(Type.KIND, value))
)
keys = st.text(max_size=8) | st.sampled_from(["a.b", "duration", "span.a", "resource.b", "5xx", 'a"b', "a\\", "a//b"])
fields: st.SearchStrategy[Field] = (
    st.builds(Attribute, st.sampled_from(AttributeScope), keys)
    | st.builds(Attribute, st.sampled_from(NESTABLE_SCOPES), keys, parent=st.just(True))
    | st.builds(IntrinsicField, st.sampled_from(Intrinsic), parent=st.booleans())
)


def is_parsed(node: FieldExpression) -> bool:
    """Returns True where the parser makes such a node: the minus of a number is in the number."""
    if not isinstance(node, Unary) or node.op is UnaryOperator.NOT:
        return True
    return not (isinstance(node.operand, Static) and node.operand.type in (Type.INT, Type.FLOAT, Type.DURATION))


def operations(operands: st.SearchStrategy[FieldExpression]) -> st.SearchStrategy[FieldExpression]:
    return (
        st.builds(Binary, st.sampled_from(BinaryOperator), operands, operands)
        | st.builds(Unary, st.sampled_from(UnaryOperator), operands).filter(is_parsed)
        | st.builds(Exists, operands, negated=st.booleans())
    )


expressions = brief(st.recursive(fields | numbers | words, operations, max_leaves=8))

filters = st.builds(SpansetFilter, expressions)
aggregates = st.just(Aggregate(AggregateFunction.COUNT)) | st.builds(
    Aggregate, st.sampled_from(AggregateFunction).filter(lambda function: function != "count"), expressions
)


def spanset_operations(operands: st.SearchStrategy[SpansetExpression]) -> st.SearchStrategy[SpansetExpression]:
    return st.builds(SpansetOperation, st.sampled_from(SpansetOperator), operands, operands)


plain_spansets = brief(st.recursive(filters, spanset_operations, max_leaves=4))


def scalars(leaves: st.SearchStrategy[ScalarExpression]) -> st.SearchStrategy[ScalarExpression]:
    return st.recursive(
        leaves,
        lambda operands: st.builds(ScalarOperation, st.sampled_from(ARITHMETIC), operands, operands),
        max_leaves=4,
    )


def scalar_filters(operands: st.SearchStrategy[ScalarExpression]) -> st.SearchStrategy[ScalarFilter]:
    return st.builds(ScalarFilter, st.sampled_from(COMPARING), operands, operands)


grouping = st.builds(GroupBy, expressions) | st.builds(Select, st.lists(fields, min_size=1, max_size=3).map(tuple))
first_stages: st.SearchStrategy[Stage] = brief(
    plain_spansets | grouping | scalar_filters(scalars(numbers | aggregates))
)
later_stages: st.SearchStrategy[Stage] = brief(first_stages | st.just(Coalesce()))


def pipelines(min_later: int) -> st.SearchStrategy[Pipeline]:
    later = st.lists(later_stages, min_size=min_later, max_size=3)
    return st.builds(lambda first, rest: Pipeline((first, *rest)), first_stages, later)


wrapped = brief(pipelines(min_later=1))
wrapped_spansets: st.SearchStrategy[SpansetExpression] = st.recursive(wrapped, spanset_operations, max_leaves=3)
scalar_pipelines = brief(st.builds(ScalarPipeline, pipelines(min_later=0), scalars(numbers | aggregates)))
nested: st.SearchStrategy[Pipeline] = st.builds(
    lambda stages: Pipeline(tuple(stages)),
    st.lists(wrapped_spansets | scalar_filters(scalars(scalar_pipelines | aggregates)), min_size=2, max_size=3)
    | st.lists(spanset_operations(wrapped_spansets), min_size=1, max_size=1),
)
searches = brief(pipelines(min_later=0) | nested)

counting = [MetricsFunction.RATE, MetricsFunction.COUNT_OVER_TIME]
measuring = [function for function in MetricsFunction if function not in [*counting, "quantile_over_time"]]
labels = st.lists(fields, max_size=3).map(tuple)
quantiles = st.lists(st.floats(0, 1), min_size=1, max_size=3).map(tuple)
metrics_aggregates: st.SearchStrategy[MetricsAggregate | Compare] = (
    st.builds(MetricsAggregate, st.sampled_from(counting), by=labels)
    | st.builds(MetricsAggregate, st.sampled_from(measuring), fields, by=labels)
    | st.builds(MetricsAggregate, st.just(MetricsFunction.QUANTILE_OVER_TIME), fields, quantiles, by=labels)
    | st.builds(Compare, filters, st.integers(0, 99), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
)


def series_operations(operands: st.SearchStrategy[Series]) -> st.SearchStrategy[Series]:
    op, constant = st.sampled_from(BASIC), ints | floats
    return (
        st.builds(MetricsOperation, op, operands, operands | constant)
        | st.builds(MetricsOperation, op, constant, operands)
        | st.builds(Rank, operands, st.sampled_from(RankFunction), st.integers(0, 2**63 - 1))
        | st.builds(SeriesFilter, operands, st.sampled_from(COMPARING), finite)
    )


metrics = st.recursive(st.builds(MetricsPipeline, searches, metrics_aggregates), series_operations, max_leaves=3)
hints = st.lists(
    st.builds(
        Hint,
        st.sampled_from(["sample", "most_recent", "x"]),
        words | st.integers(0, 9).map(lambda n: Static(Type.INT, n)),
    ),
    max_size=2,
).map(tuple)


@given(st.builds(Query, searches | metrics, hints))
def test_print_query_parses_back_to_equal_tree(query: Query) -> None:
    assert parse(print_query(query)) == query


@given(st.builds(Query, searches | metrics))
def test_check_raises_only_traceql_errors(query: Query) -> None:
    with suppress(TypeMismatch, Unsupported):
        assert check(query) == query


PIECES = [
    *("{", "}", "(", ")", "|", ",", "&&", "||", "=", "!=", "=~", ">", ">>", "!~", "&<", "!", "-", "+", "^", "%"),
    *(".a", "span.", "parent.", "name", "trace:id", "nil", "1", "2.5", "3ms", "`x`", '"', "ok", "/*", "#", "é"),
    *("count", "max", "by", "select", "coalesce", "rate", "quantile_over_time", "compare", "topk", "with", "foo"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_parse_of_any_text_returns_tree_or_raises_parse_error(pieces: list[str]) -> None:
    query = parsed(" ".join(pieces))
    assert query is None or parse(print_query(query)) == query


def parsed(text: str) -> Query | None:
    try:
        return parse(text)
    except ParseError:
        return None
