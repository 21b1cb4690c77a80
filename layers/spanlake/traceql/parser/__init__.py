"""Parses text to a syntax tree."""

from collections.abc import Iterable
from typing import Final

from spanlake.traceql import ast
from spanlake.traceql.ast.walk import depth
from spanlake.traceql.errors import ParseError
from spanlake.traceql.lexer import lex
from spanlake.traceql.parser.expressions import Cursor
from spanlake.traceql.parser.fields import parse_field
from spanlake.traceql.parser.pipelines import parse_pipeline
from spanlake.traceql.tokens import Token, TokenKind

MAX_LENGTH: Final = 128 * 1024
MAX_DEPTH: Final = 128


def parse(text: str) -> ast.Query:
    """Parse a query to a tree; types are not validated.

    Raises ParseError, with the position, for text that is not TraceQL, for more than 128 KiB of it, and for expressions
    nested so deep that they could exhaust the stack.
    """
    if len(text) > MAX_LENGTH:
        raise ParseError(f"the query is longer than {MAX_LENGTH} characters", text, MAX_LENGTH)
    return parse_tokens(lex(text), text)


def parse_tokens(tokens: Iterable[Token], text: str) -> ast.Query:
    """Parse tokens to a tree; ``text`` is used for errors only."""
    cursor = Cursor(tokens, text)
    body = _body(cursor)
    hints = _hints(cursor)
    if cursor.current.kind is not TokenKind.END:
        cursor.fail_expecting("`|`, an operator, `with` or the end of the query")
    query = ast.Query(body, hints, text)
    if depth(query) > MAX_DEPTH:
        cursor.fail(f"the query has more than {MAX_DEPTH} levels of operators", 0)
    return query


def parse_identifier(text: str) -> ast.Field:
    """Parse the name of a tag: ``resource.service.name``, ``.foo``, ``duration``. Raises ParseError."""
    cursor = Cursor(lex(text), text)
    field = parse_field(cursor)
    if cursor.current.kind is not TokenKind.END:
        cursor.fail_expecting("the end of the name")
    return field


def _body(cursor: Cursor) -> ast.Pipeline | ast.MetricsExpression:
    node = parse_pipeline(cursor)
    if isinstance(node, ast.ScalarExpression):
        cursor.fail_expecting("a comparison such as `> 1`, as a number alone selects nothing")
    if isinstance(node, ast.Pipeline) and len(node.stages) == 1 and isinstance(only := node.stages[0], ast.Pipeline):
        return only
    return node


def _hints(cursor: Cursor) -> tuple[ast.Hint, ...]:
    hints: list[ast.Hint] = []
    while cursor.accept_name("with"):
        cursor.expect("(")
        # Tempo lets a second `with` replace the first.
        hints = [_hint(cursor)]
        while cursor.accept(","):
            hints.append(_hint(cursor))
        cursor.expect(")")
    return tuple(hints)


def _hint(cursor: Cursor) -> ast.Hint:
    name = cursor.accept_kind(TokenKind.NAME) or cursor.fail_expecting("the name of a hint")
    if not cursor.accept("="):
        return ast.Hint(name.text, ast.Static(ast.Type.BOOL, value=True, at=name.at), at=name.at)
    return ast.Hint(name.text, _hint_value(cursor), at=name.at)


def _hint_value(cursor: Cursor) -> ast.Static:
    """Parse a literal, or a word such as ``duration``, which is a string here."""
    if cursor.current.kind is TokenKind.NAME or isinstance(cursor.current.node, ast.IntrinsicField):
        word = cursor.advance()
        return ast.Static(ast.Type.STRING, word.text, at=word.at)
    value = cursor.accept_kind(TokenKind.LITERAL)
    if value is None or not isinstance(value.node, ast.Static):
        cursor.fail_expecting("the value of the hint")
    return value.node
