"""Parser of pipelines, and of the expressions of spansets, scalars and time series that are their stages.

The kind of an expression in parentheses is known only when it closes. Therefore the three share one grammar, and the
operands decide which operators are valid between them.
"""

from dataclasses import replace
from typing import Final, TypeAlias

from spanlake.traceql import ast
from spanlake.traceql.parser.expressions import Cursor, climb
from spanlake.traceql.parser.fields import is_number, negate, parse_expression, parse_fields, parse_spanset_filter
from spanlake.traceql.parser.metrics import (
    FIRST_STAGES,
    SECOND_STAGES,
    Series,
    combine_series,
    parse_metrics_aggregate,
    parse_second_stages,
)
from spanlake.traceql.tokens import COMPARISONS, Token

Value: TypeAlias = ast.SpansetExpression | ast.ScalarFilter | ast.ScalarExpression | Series

_ARITHMETIC: Final = ("+", "-", "*", "/", "%", "^")
_ZERO: Final = ast.Static(ast.Type.INT, 0)
_SPANSET_OPERATORS: Final = frozenset(ast.SpansetOperator)


def parse_pipeline(cursor: Cursor) -> ast.Pipeline | ast.ScalarExpression | Series:
    """Parse stages up to the end of the query, its hints or a closing parenthesis."""
    start = cursor.current.at
    first = _first_stage(cursor)
    if isinstance(first, Series):
        return parse_second_stages(cursor, first)
    if isinstance(first, ast.ScalarExpression):
        return first
    stages = [first]
    while cursor.accept("|"):
        at = cursor.current.at
        if cursor.current.is_name(*FIRST_STAGES):
            spans = ast.Pipeline(tuple(stages), at=start)
            return parse_second_stages(cursor, ast.MetricsPipeline(spans, parse_metrics_aggregate(cursor), at=at))
        stage = _later_stage(cursor)
        if isinstance(stage, ast.ScalarExpression):
            return ast.ScalarPipeline(ast.Pipeline(tuple(stages), at=start), stage, at=start)
        stages.append(stage)
    return ast.Pipeline(tuple(stages), at=start)


def only_spanset(node: ast.SpansetExpression) -> ast.SpansetExpression:
    """Unwrap a spanset that is the only stage of a pipeline in parentheses."""
    if (
        isinstance(node, ast.Pipeline)
        and len(node.stages) == 1
        and isinstance(inner := node.stages[0], ast.SpansetExpression)
    ):
        return inner
    return node


def _first_stage(cursor: Cursor) -> ast.Stage | ast.ScalarExpression | Series:
    token = cursor.current
    if token.is_name("coalesce"):
        cursor.fail("coalesce() cannot come first: it undoes a by() before it")
    if token.is_name(*FIRST_STAGES):
        cursor.fail(f"{token.text}() cannot come first: expected spans before it, as in `{{ }} | {token.text}(…)`")
    if token.is_name(*SECOND_STAGES):
        cursor.fail(f"{token.text}() expects metrics before it, as in `{{ }} | rate() | {token.text}(…)`")
    return _grouping_stage(cursor) or _expression_stage(cursor)


def _later_stage(cursor: Cursor) -> ast.Stage | ast.ScalarExpression:
    token = cursor.current
    if token.is_name(*SECOND_STAGES):
        cursor.fail(f"{token.text}() expects metrics before it, as in `{{ }} | rate() | {token.text}(…)`")
    if name := cursor.accept_name("coalesce"):
        cursor.expect("(")
        cursor.expect(")")
        return ast.Coalesce(at=name.at)
    stage = _grouping_stage(cursor) or _expression_stage(cursor)
    if isinstance(stage, Series):
        cursor.fail("metrics cannot follow spans: expected a stage that works on spans", token.at)
    return stage


def _grouping_stage(cursor: Cursor) -> ast.GroupBy | ast.Select | None:
    if name := cursor.accept_name("select"):
        return ast.Select(parse_fields(cursor), at=name.at)
    if name := cursor.accept_name("by"):
        cursor.expect("(")
        expression = parse_expression(cursor)
        cursor.expect(")")
        return ast.GroupBy(expression, at=name.at)
    return None


def _expression_stage(cursor: Cursor) -> ast.Stage | ast.ScalarExpression | Series:
    value = climb(cursor, _PipelineGrammar())
    return only_spanset(value) if isinstance(value, ast.Pipeline) else value


class _PipelineGrammar:
    def operand(self, cursor: Cursor) -> Value:
        token = cursor.current
        if token.is_symbol("{"):
            return parse_spanset_filter(cursor)
        if cursor.accept("("):
            inner = parse_pipeline(cursor)
            cursor.expect(")")
            return _without_double_parentheses(inner)
        if cursor.accept_name(*ast.AggregateFunction):
            return _aggregate(cursor, token)
        if cursor.accept("-"):
            with cursor.nested():
                return _negated(self.operand(cursor), cursor, token)
        if isinstance(token.node, ast.Static) and is_number(token.node):
            cursor.advance()
            return token.node
        return cursor.fail_expecting(
            "a spanset as in `{ … }`, an aggregate as in `count() > 1` or a stage as in `by(name)`"
        )

    def takes(self, left: Value, operator: str) -> bool:
        # Operators after metrics at this level are second stages, and take a number only.
        return not (isinstance(left, Series) and operator in COMPARISONS)

    def combine(self, cursor: Cursor, operator: Token, left: Value, right: Value) -> Value:
        text, at = operator.text, operator.at
        if isinstance(left, ast.SpansetExpression) and isinstance(right, ast.SpansetExpression):
            if text in _SPANSET_OPERATORS:
                return _combine_spansets(ast.SpansetOperation(ast.SpansetOperator(text), left, right, at=at))
        elif isinstance(left, ast.ScalarExpression) and isinstance(right, ast.ScalarExpression):
            if text in COMPARISONS:
                return ast.ScalarFilter(ast.BinaryOperator(text), left, right, at=at)
            if text in _ARITHMETIC:
                return ast.ScalarOperation(ast.BinaryOperator(text), left, right, at=at)
        elif isinstance(left, ast.ScalarExpression | Series) and isinstance(right, ast.ScalarExpression | Series):
            return combine_series(cursor, operator, left, right)
        return cursor.fail(f"`{text}` cannot stand between {_describe(left)} and {_describe(right)}", at)


def _without_double_parentheses(node: ast.Pipeline | ast.ScalarExpression | Series) -> Value:
    if isinstance(node, ast.Pipeline) and len(node.stages) == 1 and isinstance(inner := node.stages[0], ast.Pipeline):
        return inner
    return node


def _combine_spansets(node: ast.SpansetOperation) -> ast.SpansetOperation:
    left, right = only_spanset(node.left), only_spanset(node.right)
    if _is_pipelined(left) and not _is_pipelined(right):
        # Parentheses around a spanset matter beside a pipeline: Tempo combines pipelines with pipelines only.
        right = node.right
    elif _is_pipelined(right) and not _is_pipelined(left):
        left = node.left
    return replace(node, left=left, right=right)


def _is_pipelined(node: ast.SpansetExpression) -> bool:
    if isinstance(node, ast.SpansetOperation):
        return _is_pipelined(node.left) or _is_pipelined(node.right)
    return isinstance(node, ast.Pipeline)


def _aggregate(cursor: Cursor, name: Token) -> ast.Aggregate:
    function = ast.AggregateFunction(name.text)
    cursor.expect("(")
    operand = None if function is ast.AggregateFunction.COUNT else parse_expression(cursor)
    cursor.expect(")")
    return ast.Aggregate(function, operand, at=name.at)


def _negated(value: Value, cursor: Cursor, minus: Token) -> ast.ScalarExpression:
    if isinstance(value, ast.Static):
        return negate(value, minus.at)
    if not isinstance(value, ast.ScalarExpression):
        cursor.fail(f"`-` expects a number or an aggregate, found {_describe(value)}", minus.at)
    return ast.ScalarOperation(ast.BinaryOperator.SUBTRACT, _ZERO, value, at=minus.at)


def _describe(value: Value) -> str:
    if isinstance(value, ast.ScalarFilter):
        return "a comparison"
    if isinstance(value, ast.SpansetExpression):
        return "a spanset"
    return "metrics" if isinstance(value, Series) else "a number"
