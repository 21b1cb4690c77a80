"""Operator precedence, in one table for every kind of expression, as in Tempo's grammar."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from spanlake.traceql.parser.cursor import Cursor
from spanlake.traceql.tokens import Token, TokenKind

LOGICAL: Final = 1
COMPARING: Final = 2
ADDING: Final = 3
MULTIPLYING: Final = 4
RAISING: Final = 5

LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("&&", "||"), LOGICAL),
        **dict.fromkeys(("=", "!=", "<", "<=", ">", ">=", "=~", "!~", ">>", "<<", "~"), COMPARING),
        **dict.fromkeys(("!>", "!<", "!>>", "!<<", "&>", "&<", "&>>", "&<<", "&~"), COMPARING),
        **dict.fromkeys(("+", "-"), ADDING),
        **dict.fromkeys(("*", "/", "%"), MULTIPLYING),
        "^": RAISING,
    }
)

# A longer run of one logical operator becomes a balanced tree: with a thousand operators it would be too deep.
MAX_RUN: Final = 32
# A run of other operators makes a tree as deep as the run is long.
MAX_STEPS: Final = 100

T = TypeVar("T")


class Grammar(Protocol[T]):
    """A kind of expression: the parser of its operands, and the nodes of its operators."""

    def operand(self, cursor: Cursor, /) -> T: ...

    def takes(self, left: T, operator: str, /) -> bool:
        """Return True if an operator may follow a left side; otherwise the expression ends before it."""
        ...

    def combine(self, cursor: Cursor, operator: Token, left: T, right: T, /) -> T: ...


def climb(cursor: Cursor, grammar: Grammar[T], level: int = LOGICAL) -> T:
    """Parse operators that bind at least as strongly as ``level``; `^` groups to the right, all others to the left."""
    with cursor.nested():
        left, steps = grammar.operand(cursor), 0
        while _goes_on(cursor, grammar, left, level):
            operators, operands = _run(cursor, grammar)
            left = _join(lambda *parts: grammar.combine(cursor, *parts), operators, [left, *operands])
            if (steps := steps + 1) > MAX_STEPS:
                cursor.fail(f"more than {MAX_STEPS} operators in a row", operators[0].at)
        return left


def _run(cursor: Cursor, grammar: Grammar[T]) -> tuple[list[Token], list[T]]:
    """Parse an operator and its right side; for && and || all that follow."""
    first = cursor.current.text
    right_level = LEVELS[first] + (first != "^")
    operators, operands = [cursor.advance()], [climb(cursor, grammar, right_level)]
    while LEVELS[first] == LOGICAL and cursor.current.is_symbol(first):
        operators.append(cursor.advance())
        operands.append(climb(cursor, grammar, right_level))
    return operators, operands


def _goes_on(cursor: Cursor, grammar: Grammar[T], left: T, level: int) -> bool:
    operator = cursor.current
    if operator.kind is not TokenKind.SYMBOL or LEVELS.get(operator.text, 0) < level:
        return False
    return grammar.takes(left, operator.text)


def _join(combine: Callable[[Token, T, T], T], operators: Sequence[Token], operands: Sequence[T]) -> T:
    if len(operators) > MAX_RUN:
        middle = len(operators) // 2
        left = _join(combine, operators[:middle], operands[: middle + 1])
        return combine(operators[middle], left, _join(combine, operators[middle + 1 :], operands[middle + 1 :]))
    joined = operands[0]
    for operator, right in zip(operators, operands[1:], strict=True):
        joined = combine(operator, joined, right)
    return joined
