"""The position of a parser in the tokens of a query."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

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
