"""The conditions of a query that is still being typed, for the suggestion of tags and their values."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from spanlake.traceql.checker import check
from spanlake.traceql.errors import ParseError, TraceQLError
from spanlake.traceql.lexer import lex
from spanlake.traceql.parser import MAX_LENGTH, parse, parse_tokens
from spanlake.traceql.tokens import COMPARISONS, Token, TokenKind
from spanlake.traceql.tree import (
    Attribute,
    Binary,
    BinaryOperator,
    Exists,
    FieldExpression,
    IntrinsicField,
    MetricsPipeline,
    Pipeline,
    Query,
    SpansetFilter,
    Stage,
    Static,
)

_CLOSING: Final = {"{": "}", "(": ")"}
_CONNECTORS: Final = ("&&", "||")


def filters(text: str) -> SpansetFilter | None:
    """What a possibly broken query already says of the spans it wants; None if that is nothing.

    As Tempo does: a comparison without a right side, a dangling operator and missing closing brackets are
    overlooked, only the first spanset counts, and of its condition only comparisons of a field with a literal,
    joined by && and ||. Whatever cannot be understood that way filters nothing.
    """
    try:
        query = check(_parse(text))
    except TraceQLError:
        return None
    first = _first_stage(query)
    if not isinstance(first, SpansetFilter):
        return None
    condition = _usable(first.condition)
    return None if condition is None else SpansetFilter(condition, at=first.at)


def _parse(text: str) -> Query:
    try:
        return parse(text)
    except ParseError:
        if len(text) > MAX_LENGTH:
            raise
        return parse_tokens(_mended(_understood(text)), text)


def _first_stage(query: Query) -> Stage | None:
    stage: object = query.body.spans if isinstance(query.body, MetricsPipeline) else query.body
    while isinstance(stage, Pipeline):
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


def _usable(node: FieldExpression) -> FieldExpression | None:
    if isinstance(node, Binary) and node.op.is_logical:
        left, right = _usable(node.left), _usable(node.right)
        if left is not None and right is not None:
            return Binary(node.op, left, right, at=node.at)
        return (left or right) if node.op is BinaryOperator.AND else None
    if isinstance(node, Binary) and (node.op.is_comparison or node.op.is_regex):
        sides = (node.left, node.right)
        fields = sum(isinstance(side, Attribute | IntrinsicField) for side in sides)
        literals = sum(isinstance(side, Static) for side in sides)
        return node if fields == literals == 1 else None
    if isinstance(node, Exists) and node.negated and isinstance(node.operand, Attribute | IntrinsicField):
        return node
    return None
