"""Parsing of metrics functions, their arguments and second stages."""

from dataclasses import replace
from math import isfinite
from typing import Final, TypeAlias

from spanlake.traceql import ast
from spanlake.traceql.parser.expressions import Cursor, climb
from spanlake.traceql.parser.fields import is_number, negate, parse_field, parse_fields, parse_spanset_filter
from spanlake.traceql.tokens import COMPARISONS, MAX_INT, MIN_INT, Token, TokenKind


def fold(node: ast.ScalarExpression) -> ast.Static | None:
    """Compute the number that ``1 / 2`` or ``-(3.5 * 4)`` stands for; None for any other expression.

    Integers stay integers: ``1 / 2`` is 0, ``1.0 / 2`` is 0.5.
    """
    if isinstance(node, ast.Static):
        return node if node.type in (ast.Type.INT, ast.Type.FLOAT) else None
    if not isinstance(node, ast.ScalarOperation):
        return None
    left, right = fold(node.left), fold(node.right)
    value = _calculate(node.op, left.value, right.value) if left and right else None
    if value is None or not (MIN_INT <= value <= MAX_INT if isinstance(value, int) else isfinite(value)):
        return None
    return ast.Static(ast.Type.INT if isinstance(value, int) else ast.Type.FLOAT, value, at=node.at)


def _calculate(op: ast.BinaryOperator, left: object, right: object) -> int | float | None:
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    match op:
        case ast.BinaryOperator.ADD:
            return left + right
        case ast.BinaryOperator.SUBTRACT:
            return left - right
        case ast.BinaryOperator.MULTIPLY:
            return left * right
        case ast.BinaryOperator.DIVIDE if right != 0:
            return _divide(left, right)
        case _:
            return None


def _divide(left: int | float, right: int | float) -> int | float:
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


Series: TypeAlias = ast.MetricsPipeline | ast.MetricsOperation | ast.Rank | ast.SeriesFilter

FIRST_STAGES: Final = (*ast.MetricsFunction, "compare")
SECOND_STAGES: Final = tuple(ast.RankFunction)

_COUNTING: Final = (ast.MetricsFunction.RATE, ast.MetricsFunction.COUNT_OVER_TIME)
_ARITHMETIC: Final = ("+", "-", "*", "/")
_SECOND_NS: Final = 10**9


def parse_metrics_aggregate(cursor: Cursor) -> ast.MetricsAggregate | ast.Compare:
    """Parse a metrics function with its arguments and its grouping."""
    name = cursor.advance()
    if name.text == "compare":
        return _compare(cursor, name)
    function = ast.MetricsFunction(name.text)
    cursor.expect("(")
    operand = None if function in _COUNTING else parse_field(cursor)
    quantiles = _quantiles(cursor) if function is ast.MetricsFunction.QUANTILE_OVER_TIME else ()
    cursor.expect(")")
    by: tuple[ast.Field, ...] = parse_fields(cursor) if cursor.accept_name("by") else ()
    return ast.MetricsAggregate(function, operand, quantiles, by, at=name.at)


def parse_second_stages(cursor: Cursor, series: Series) -> Series:
    """Parse rankings and filters after a metrics expression; each works on the result of the stage before."""
    while True:
        if cursor.accept("|"):
            series = _rank(cursor, series)
        elif operator := cursor.accept(*COMPARISONS):
            series = ast.SeriesFilter(series, ast.BinaryOperator(operator.text), _threshold(cursor), at=operator.at)
        else:
            return series


def combine_series(
    cursor: Cursor, operator: Token, left: Series | ast.ScalarExpression, right: Series | ast.ScalarExpression
) -> ast.MetricsOperation:
    """Parse arithmetic with time series on at least one side."""
    if operator.text not in _ARITHMETIC:
        cursor.fail(f"`{operator.text}` cannot be used with metrics: expected one of + - * /", operator.at)
    op = ast.BinaryOperator(operator.text)
    return ast.MetricsOperation(op, _side(cursor, operator, left), _side(cursor, operator, right), at=operator.at)


def _side(cursor: Cursor, operator: Token, node: Series | ast.ScalarExpression) -> Series | ast.Static:
    if isinstance(node, Series):
        return node
    constant = fold(node)
    if constant is None:
        cursor.fail(f"`{operator.text}` beside metrics expects metrics or a number", operator.at)
    return constant


def _compare(cursor: Cursor, name: Token) -> ast.Compare:
    cursor.expect("(")
    compare = ast.Compare(parse_spanset_filter(cursor), at=name.at)
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


def _rank(cursor: Cursor, series: Series) -> ast.Rank:
    name = cursor.accept_name(*SECOND_STAGES) or cursor.fail_expecting("topk() or bottomk()")
    cursor.expect("(")
    limit = _integer(cursor)
    cursor.expect(")")
    return ast.Rank(series, ast.RankFunction(name.text), limit, at=name.at)


def _threshold(cursor: Cursor) -> float:
    node = climb(cursor, _ConstantGrammar())
    assert isinstance(node.value, int | float)
    return node.value / _SECOND_NS if node.type is ast.Type.DURATION else float(node.value)


class _ConstantGrammar:
    """Numbers and durations, and arithmetic between numbers."""

    def operand(self, cursor: Cursor) -> ast.Static:
        token = cursor.current
        if cursor.accept("-"):
            with cursor.nested():
                return negate(self.operand(cursor), token.at)
        if cursor.accept("("):
            inner = climb(cursor, self)
            cursor.expect(")")
            return inner
        if not isinstance(token.node, ast.Static) or not is_number(token.node):
            cursor.fail_expecting("a number or a duration to compare with")
        cursor.advance()
        return token.node

    def takes(self, _: ast.Static, operator: str) -> bool:
        return operator in _ARITHMETIC

    def combine(self, cursor: Cursor, operator: Token, left: ast.Static, right: ast.Static) -> ast.Static:
        found = fold(ast.ScalarOperation(ast.BinaryOperator(operator.text), left, right, at=operator.at))
        if found is None:
            cursor.fail(f"`{operator.text}` cannot stand between these values: expected numbers", operator.at)
        return found


def _integer(cursor: Cursor) -> int:
    node = cursor.current.node
    if not isinstance(node, ast.Static) or node.type is not ast.Type.INT:
        cursor.fail_expecting("a whole number")
    cursor.advance()
    assert isinstance(node.value, int)
    return node.value


def _number(cursor: Cursor) -> float:
    token = cursor.accept_kind(TokenKind.LITERAL)
    if token is None or not isinstance(token.node, ast.Static) or token.node.type not in (ast.Type.INT, ast.Type.FLOAT):
        cursor.fail("expected a number between 0 and 1", token.at if token else None)
    assert isinstance(token.node.value, int | float)
    return float(token.node.value)
