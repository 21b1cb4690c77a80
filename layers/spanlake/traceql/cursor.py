"""Where a parser stands in the tokens of a query."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from spanlake.traceql.advice import advised
from spanlake.traceql.errors import ParseError
from spanlake.traceql.tokens import Token, TokenKind

# Every level costs a few frames of Python's stack, of which a thousand are allowed.
MAX_NESTING: Final = 100


class Cursor:
    """The current token of a query and the means to go on, or to fail where it stands."""

    def __init__(self, tokens: Iterable[Token], text: str) -> None:
        self._tokens = iter(tokens)
        self._nesting = 0
        self.text = text
        self.current = next(self._tokens)

    def advance(self) -> Token:
        """Steps over the current token and returns it; the last one, of kind END, stays."""
        token = self.current
        self.current = next(self._tokens, token)
        return token

    def accept(self, *texts: str) -> Token | None:
        """Steps over the current token if it is one of these symbols."""
        return self.advance() if self.current.is_symbol(*texts) else None

    def accept_name(self, *texts: str) -> Token | None:
        """Steps over the current token if it is one of these words."""
        return self.advance() if self.current.is_name(*texts) else None

    def expect(self, text: str) -> Token:
        """Steps over a symbol that must stand here."""
        return self.accept(text) or self.fail_expecting(f"`{text}`")

    def accept_kind(self, kind: TokenKind) -> Token | None:
        """Steps over the current token if it is of a kind."""
        return self.advance() if self.current.kind is kind else None

    def fail_expecting(self, what: str) -> NoReturn:
        """Raises a ParseError that says what should stand here instead of the current token."""
        self.fail(advised(f"expected {what}, found {self.current}", self.text, self.current.at))

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Raises a ParseError, at the current token unless told otherwise."""
        raise ParseError(message, self.text, self.current.at if at is None else at)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Guards the stack: raises a ParseError when expressions stand too deep in each other."""
        if self._nesting >= MAX_NESTING:
            self.fail(f"expressions are nested more than {MAX_NESTING} deep")
        self._nesting += 1
        yield
        self._nesting -= 1
