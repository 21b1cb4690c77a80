"""Parser of metrics: the function that turns spans into time series, and the stages after it."""

from dataclasses import replace
from typing import Final, TypeAlias

from spanlake.traceql.ast.nodes import (
    BinaryOperator,
    Compare,
    Field,
    MetricsAggregate,
    MetricsFunction,
    MetricsOperation,
    MetricsPipeline,
    Rank,
    RankFunction,
    ScalarExpression,
    SeriesFilter,
    Static,
    Type,
)
from spanlake.traceql.parser.constants import fold
from spanlake.traceql.parser.cursor import Cursor
from spanlake.traceql.parser.fields import is_number, negate, parse_field, parse_fields, parse_spanset_filter
from spanlake.traceql.tokens import COMPARISONS, Token, TokenKind

Series: TypeAlias = MetricsPipeline | MetricsOperation | Rank | SeriesFilter

FIRST_STAGES: Final = (*MetricsFunction, "compare")
SECOND_STAGES: Final = tuple(RankFunction)

_COUNTING: Final = (MetricsFunction.RATE, MetricsFunction.COUNT_OVER_TIME)
_ARITHMETIC: Final = ("+", "-", "*", "/")
_SECOND_NS: Final = 10**9


def parse_metrics_aggregate(cursor: Cursor) -> MetricsAggregate | Compare:
    """Parse a metrics function with its arguments and its grouping."""
    name = cursor.advance()
    if name.text == "compare":
        return _compare(cursor, name)
    function = MetricsFunction(name.text)
    cursor.expect("(")
    operand = None if function in _COUNTING else parse_field(cursor)
    quantiles = _quantiles(cursor) if function is MetricsFunction.QUANTILE_OVER_TIME else ()
    cursor.expect(")")
    by: tuple[Field, ...] = parse_fields(cursor) if cursor.accept_name("by") else ()
    return MetricsAggregate(function, operand, quantiles, by, at=name.at)


def parse_second_stages(cursor: Cursor, series: Series) -> Series:
    """Parse rankings and filters after a metrics expression; each works on the result of the stage before."""
    while True:
        if cursor.accept("|"):
            series = _rank(cursor, series)
        elif operator := cursor.accept(*COMPARISONS):
            series = SeriesFilter(series, BinaryOperator(operator.text), _threshold(cursor), at=operator.at)
        else:
            return series


def combine_series(
    cursor: Cursor, operator: Token, left: Series | ScalarExpression, right: Series | ScalarExpression
) -> MetricsOperation:
    """Parse arithmetic with time series on at least one side."""
    if operator.text not in _ARITHMETIC:
        cursor.fail(f"`{operator.text}` cannot be used with metrics: expected one of + - * /", operator.at)
    op = BinaryOperator(operator.text)
    return MetricsOperation(op, _side(cursor, operator, left), _side(cursor, operator, right), at=operator.at)


def _side(cursor: Cursor, operator: Token, node: Series | ScalarExpression) -> Series | Static:
    if isinstance(node, Series):
        return node
    constant = fold(node)
    if constant is None:
        cursor.fail(f"`{operator.text}` beside metrics expects metrics or a number", operator.at)
    return constant


def _compare(cursor: Cursor, name: Token) -> Compare:
    cursor.expect("(")
    compare = Compare(parse_spanset_filter(cursor), at=name.at)
    if cursor.accept(","):
        compare = replace(compare, top=_integer(cursor))
        if cursor.accept(","):
            start = _integer(cursor)
            cursor.expect(",")
            compare = replace(compare, start_ns=start, end_ns=_integer(cursor))
    cursor.expect(")")
    return compare


def _quantiles(cursor: Cursor) -> tuple[float, ...]:
    cursor.expect(",")
    quantiles = [_number(cursor)]
    while cursor.accept(","):
        quantiles.append(_number(cursor))
    return tuple(quantiles)


def _rank(cursor: Cursor, series: Series) -> Rank:
    name = cursor.accept_name(*SECOND_STAGES) or cursor.fail_expecting("topk() or bottomk()")
    cursor.expect("(")
    limit = _integer(cursor)
    cursor.expect(")")
    return Rank(series, RankFunction(name.text), limit, at=name.at)


def _threshold(cursor: Cursor) -> float:
    minus = cursor.accept("-")
    if not is_number(node := cursor.current.node):
        cursor.fail_expecting("a number or a duration to compare with")
    assert isinstance(node, Static)
    cursor.advance()
    value = (negate(node, node.at) if minus else node).value
    assert isinstance(value, int | float)
    return value / _SECOND_NS if node.type is Type.DURATION else float(value)


def _integer(cursor: Cursor) -> int:
    node = cursor.current.node
    if not isinstance(node, Static) or node.type is not Type.INT:
        cursor.fail_expecting("a whole number")
    cursor.advance()
    assert isinstance(node.value, int)
    return node.value


def _number(cursor: Cursor) -> float:
    token = cursor.accept_kind(TokenKind.LITERAL)
    if token is None or not isinstance(token.node, Static) or token.node.type not in (Type.INT, Type.FLOAT):
        cursor.fail("expected a number between 0 and 1", token.at if token else None)
    assert isinstance(token.node.value, int | float)
    return float(token.node.value)
