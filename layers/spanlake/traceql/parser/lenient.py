"""Parser of queries that are still being typed, for suggestions of tags and their values."""

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import Final

from spanlake.traceql import ast
from spanlake.traceql.errors import ParseError, TraceQLError
from spanlake.traceql.lexer import lex
from spanlake.traceql.parser import MAX_LENGTH, parse, parse_tokens
from spanlake.traceql.rewrite import conjuncts
from spanlake.traceql.tokens import COMPARISONS, Token, TokenKind
from spanlake.traceql.validate import validate

_EVERY: Final = ast.Static(ast.Type.BOOL, value=True)
_CLOSING: Final = {"{": "}", "(": ")"}
_CONNECTORS: Final = ("&&", "||")


def filters(text: str) -> ast.SpansetFilter | None:
    """Return the conditions of a possibly incomplete query as a filter; None if it has none.

    A condition without its value counts as true, missing brackets are closed, and conditions whose types do not fit are
    left out. A query that still does not parse, or that has more than one spanset, gives None.
    """
    try:
        query, is_finished = _parse(text)
    except TraceQLError:
        return None
    first = _first_stage(query)
    if not isinstance(first, ast.SpansetFilter):
        return None
    condition = first.condition if is_finished else _usable(first.condition)
    return None if condition is None or condition == _EVERY else _sound(condition)


def _sound(condition: ast.FieldExpression) -> ast.SpansetFilter | None:
    """Return the filter of a condition, or of those of its parts whose types fit."""
    if _is_sound(condition):
        return ast.SpansetFilter(condition)
    parts = [part for part in conjuncts(condition) if _is_sound(part)]
    return ast.SpansetFilter(reduce(partial(ast.Binary, ast.BinaryOperator.AND), parts)) if parts else None


def _is_sound(condition: ast.FieldExpression) -> bool:
    try:
        validate(ast.Query(ast.Pipeline((ast.SpansetFilter(condition),))))
    except TraceQLError:
        return False
    return True


def _parse(text: str) -> tuple[ast.Query, bool]:
    """Parse a query; also returns True if it is complete."""
    try:
        return parse(text), True
    except ParseError:
        if len(text) > MAX_LENGTH:
            raise
        return parse_tokens(_mended(_understood(text)), text), False


def _first_stage(query: ast.Query) -> ast.Stage | None:
    stage: object = query.body.spans if isinstance(query.body, ast.MetricsPipeline) else query.body
    while isinstance(stage, ast.Pipeline):
        stage = stage.stages[0]
    return stage  # type: ignore[return-value]


def _understood(text: str) -> list[Token]:
    tokens: list[Token] = []
    try:
        tokens.extend(lex(text))
    except ParseError as error:
        tokens.append(Token(TokenKind.END, "", error.at))
    return tokens


def _mended(tokens: Sequence[Token]) -> Iterator[Token]:
    kept: list[Token] = []
    for token, following in pairwise(tokens):
        if _ends(token):
            _drop_connectors(kept)
        if not (_is_comparison(token) and _ends(following)) and not (_is_connector(token) and _is_dangling(kept)):
            kept.append(token)
    _drop_connectors(kept)
    yield from kept
    yield from _missing(kept, tokens[-1].at)
    yield tokens[-1]


def _is_comparison(token: Token) -> bool:
    return token.is_symbol(*COMPARISONS, "=~", "!~")


def _is_connector(token: Token) -> bool:
    return token.is_symbol(*_CONNECTORS)


def _ends(token: Token) -> bool:
    return token.kind is TokenKind.END or token.is_symbol("}", ")", "|") or _is_connector(token)


def _is_dangling(kept: Sequence[Token]) -> bool:
    return not kept or kept[-1].is_symbol("{", "(") or _is_connector(kept[-1])


def _drop_connectors(kept: list[Token]) -> None:
    while kept and _is_connector(kept[-1]):
        kept.pop()


def _missing(tokens: Sequence[Token], at: int) -> Iterator[Token]:
    opened: list[str] = []
    for token in tokens:
        if token.is_symbol(*_CLOSING):
            opened.append(token.text)
        elif opened and token.is_symbol(_CLOSING[opened[-1]]):
            opened.pop()
    return (Token(TokenKind.SYMBOL, _CLOSING[text], at) for text in reversed(opened))


def _usable(node: ast.FieldExpression) -> ast.FieldExpression | None:
    """Return the condition without the parts that count as true: constants, and fields without a comparison."""
    if isinstance(node, ast.Attribute | ast.IntrinsicField | ast.Static):
        return None
    if not isinstance(node, ast.Binary) or not node.op.is_logical:
        return node
    left, right = _usable(node.left), _usable(node.right)
    if left is not None and right is not None:
        return ast.Binary(node.op, left, right, at=node.at)
    return (left or right) if node.op is ast.BinaryOperator.AND else None
