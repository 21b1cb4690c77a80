"""Parser of field expressions: the content of braces, of by() and of aggregates."""

from dataclasses import dataclass, replace
from typing import NoReturn

from spanlake.traceql import ast
from spanlake.traceql.advice import advice
from spanlake.traceql.parser.expressions import MULTIPLYING, Cursor, climb
from spanlake.traceql.rewrite import with_plain_id
from spanlake.traceql.tokens import MIN_INT, Token, TokenKind

_OPERATORS = frozenset(ast.BinaryOperator)


def parse_expression(cursor: Cursor) -> ast.FieldExpression:
    """Parse a field expression."""
    return _valued(cursor, climb(cursor, _FieldGrammar()))


def parse_spanset_filter(cursor: Cursor) -> ast.SpansetFilter:
    """Parse ``{ … }``; empty braces mean true."""
    start = cursor.expect("{").at
    if close := cursor.accept("}"):
        return ast.SpansetFilter(ast.Static(ast.Type.BOOL, value=True, at=close.at), at=start)
    condition = parse_expression(cursor)
    if not cursor.current.is_symbol("}"):
        cursor.fail_expecting("an operator such as `&&` or `}`")
    cursor.advance()
    return ast.SpansetFilter(condition, at=start)


def parse_field(cursor: Cursor) -> ast.Field:
    """Parse an attribute or an intrinsic on its own."""
    if token := cursor.accept_kind(TokenKind.FIELD):
        assert isinstance(token.node, ast.Attribute | ast.IntrinsicField)
        return token.node
    if cursor.current.kind is TokenKind.NAME:
        _fail_at_name(cursor)
    return cursor.fail_expecting("an attribute or an intrinsic")


def parse_fields(cursor: Cursor) -> tuple[ast.Field, ...]:
    """Parse fields in parentheses, separated by commas, at least one."""
    cursor.expect("(")
    fields = [parse_field(cursor)]
    while cursor.accept(","):
        fields.append(parse_field(cursor))
    cursor.expect(")")
    return tuple(fields)


def negate(static: ast.Static, at: int) -> ast.Static:
    """Negate a number literal. The smallest 64-bit integer has no opposite and stays, as in Go."""
    assert isinstance(static.value, int | float)
    return replace(static, value=static.value if static.value == MIN_INT else -static.value, at=at)


def is_number(node: object) -> bool:
    """True for a number or duration."""
    return isinstance(node, ast.Static) and node.type in (ast.Type.INT, ast.Type.FLOAT, ast.Type.DURATION)


@dataclass(frozen=True, slots=True)
class _Nil:
    """The word nil, which is valid only beside = and !=."""

    at: int


class _FieldGrammar:
    def operand(self, cursor: Cursor) -> ast.FieldExpression | _Nil:
        token = cursor.current
        if token.kind is TokenKind.NIL:
            return _Nil(cursor.advance().at)
        if token.node is not None:
            return cursor.advance().node or token.node
        if token.is_symbol("-", "!"):
            return _unary(cursor, cursor.advance(), self)
        if cursor.accept("("):
            inner = climb(cursor, self)
            cursor.expect(")")
            return inner
        if token.kind is TokenKind.NAME:
            _fail_at_name(cursor)
        return cursor.fail_expecting("an attribute, an intrinsic or a value")

    def takes(self, _left: object, operator: str) -> bool:
        return operator in _OPERATORS

    def combine(
        self, cursor: Cursor, operator: Token, left: ast.FieldExpression | _Nil, right: ast.FieldExpression | _Nil
    ) -> ast.FieldExpression:
        op = ast.BinaryOperator(operator.text)
        if isinstance(left, _Nil) or isinstance(right, _Nil):
            return _compare_nil(cursor, op, operator.at, left, right)
        return with_plain_id(ast.Binary(op, left, right, at=operator.at))


def _valued(cursor: Cursor, node: ast.FieldExpression | _Nil) -> ast.FieldExpression:
    if isinstance(node, _Nil):
        cursor.fail("nil can only be compared, with = or !=", node.at)
    return node


def _unary(cursor: Cursor, operator: Token, grammar: _FieldGrammar) -> ast.FieldExpression:
    # Weaker than * and ^, stronger than + and -: -a * b is -(a * b), -a + b is (-a) + b.
    operand = _valued(cursor, climb(cursor, grammar, MULTIPLYING))
    if operator.text == "-" and isinstance(operand, ast.Static) and is_number(operand):
        return negate(operand, operator.at)
    return ast.Unary(ast.UnaryOperator(operator.text), operand, at=operator.at)


def _compare_nil(
    cursor: Cursor, op: ast.BinaryOperator, at: int, left: ast.FieldExpression | _Nil, right: ast.FieldExpression | _Nil
) -> ast.FieldExpression:
    if op not in (ast.BinaryOperator.EQUAL, ast.BinaryOperator.NOT_EQUAL):
        cursor.fail("nil can only be compared, with = or !=", at)
    present = left if isinstance(right, _Nil) else right
    if isinstance(present, _Nil):
        return ast.Static(ast.Type.BOOL, value=False, at=at)
    return ast.Exists(present, negated=op is ast.BinaryOperator.EQUAL, at=at)


def _fail_at_name(cursor: Cursor) -> NoReturn:
    name = cursor.current.text
    known = advice(cursor.text, cursor.current.at) or f'attributes are written .{name} or span.{name}, strings "{name}"'
    cursor.fail(f"`{name}` means nothing here: {known}")
