"""The token cursor, and parsing by operator precedence."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, TypeVar

from spanlake.traceql.advice import advised
from spanlake.traceql.errors import ParseError
from spanlake.traceql.tokens import Token, TokenKind

# Every level takes a few frames of Python's stack, which is limited to a thousand.
MAX_NESTING: Final = 100


class Cursor:
    """The current token of a query, with methods to advance, and to fail at its position."""

    def __init__(self, tokens: Iterable[Token], text: str) -> None:
        self._tokens = iter(tokens)
        self._nesting = 0
        self.text = text
        self.current = next(self._tokens)

    def advance(self) -> Token:
        """Advance past the current token and return it; the last token, of kind END, stays."""
        token = self.current
        self.current = next(self._tokens, token)
        return token

    def accept(self, *texts: str) -> Token | None:
        """Advance past the current token if it is one of these symbols."""
        return self.advance() if self.current.is_symbol(*texts) else None

    def accept_name(self, *texts: str) -> Token | None:
        """Advance past the current token if it is one of these words."""
        return self.advance() if self.current.is_name(*texts) else None

    def expect(self, text: str) -> Token:
        """Advance past a symbol that is required here."""
        return self.accept(text) or self.fail_expecting(f"`{text}`")

    def accept_kind(self, kind: TokenKind) -> Token | None:
        """Advance past the current token if it is of this kind."""
        return self.advance() if self.current.kind is kind else None

    def fail_expecting(self, what: str) -> NoReturn:
        """Raise a ParseError that names what was expected instead of the current token."""
        self.fail(advised(f"expected {what}, found {self.current}", self.text, self.current.at))

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Raise a ParseError, at the current token unless another position is given."""
        raise ParseError(message, self.text, self.current.at if at is None else at)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Guard the stack: raises a ParseError when expressions nest too deep."""
        if self._nesting >= MAX_NESTING:
            self.fail(f"expressions are nested more than {MAX_NESTING} deep")
        self._nesting += 1
        yield
        self._nesting -= 1


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
