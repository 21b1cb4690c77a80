"""Converts text to tokens."""

import re
from collections.abc import Iterator
from math import isfinite
from typing import NoReturn

from spanlake.traceql import ast
from spanlake.traceql.advice import advised
from spanlake.traceql.errors import ParseError
from spanlake.traceql.literals import parse_duration, unquote
from spanlake.traceql.tokens import (
    ATTRIBUTE_SCOPES,
    INTRINSIC_SCOPES,
    INTRINSICS,
    LITERALS,
    MAX_INT,
    SYMBOLS,
    Token,
    TokenKind,
    is_attribute_character,
)

_BLANK = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*(?s:.*?)\*/)*")
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER_TAIL = re.compile(r"[\w.]*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`')
_SYMBOL = re.compile("|".join(map(re.escape, SYMBOLS)))
_MAX_DIGITS = 400


def lex(text: str) -> Iterator[Token]:
    """Yield the tokens of a query, ending with a token of kind END.

    Raises ParseError at invalid text, after the tokens before it.
    """
    return _Lexer(text).tokens()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def tokens(self) -> Iterator[Token]:
        while self._skip_blank():
            yield self._next()
        yield Token(TokenKind.END, "", len(self._text))

    def _skip_blank(self) -> bool:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        if self._text.startswith("/*", self._at):
            self._fail("the comment is not closed: expected `*/`")
        return self._at < len(self._text)

    def _next(self) -> Token:
        character, following = self._text[self._at], self._text[self._at + 1 : self._at + 2]
        if character in '"`':
            return self._string()
        if character.isdecimal() or (character == "." and following.isdecimal()):
            return self._number()
        if character == ".":
            return self._attribute(self._at, self._at + 1, ast.AttributeScope.NONE)
        if word := _WORD.match(self._text, self._at):
            return self._word(word.group())
        if symbol := _SYMBOL.match(self._text, self._at):
            return self._token(TokenKind.SYMBOL, symbol.end())
        return self._fail(advised(f"unexpected character `{character}`", self._text, self._at))

    def _token(
        self, kind: TokenKind, end: int, node: ast.Static | ast.Attribute | ast.IntrinsicField | None = None
    ) -> Token:
        token = Token(kind, self._text[self._at : end], self._at, node)
        self._at = end
        return token

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        raise ParseError(message, self._text, self._at if at is None else at)

    def _string(self) -> Token:
        match = _STRING.match(self._text, self._at)
        if match is None:
            return self._fail(f"the string is not closed: expected `{self._text[self._at]}`")
        try:
            value = unquote(match.group())
        except ValueError as error:
            return self._fail(str(error))
        return self._token(TokenKind.LITERAL, match.end(), ast.Static(ast.Type.STRING, value, at=self._at))

    def _number(self) -> Token:
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            return self._fail(f"unexpected character `{self._text[self._at]}`")
        tail = _NUMBER_TAIL.match(self._text, number.end())
        end = tail.end() if tail else number.end()
        node = self._duration(self._text[self._at : end]) if end > number.end() else self._plain_number(number.group())
        return self._token(TokenKind.LITERAL, end, node)

    def _duration(self, spelling: str) -> ast.Static:
        nanoseconds = parse_duration(spelling) if len(spelling) <= _MAX_DIGITS else None
        if nanoseconds is None:
            self._fail(f"`{spelling[:40]}` is neither a number nor a duration: units are ns, us, ms, s, m, h, d, w, y")
        return ast.Static(ast.Type.DURATION, nanoseconds, at=self._at)

    def _plain_number(self, spelling: str) -> ast.Static:
        if spelling.isdecimal():
            value = int(spelling) if len(spelling) <= _MAX_DIGITS else MAX_INT + 1
            if value > MAX_INT:
                self._fail(f"the number is larger than maxInt, {MAX_INT}")
            return ast.Static(ast.Type.INT, value, at=self._at)
        if not isfinite(number := float(spelling)):
            self._fail("the number is too large")
        return ast.Static(ast.Type.FLOAT, number, at=self._at)

    def _word(self, word: str) -> Token:
        end = self._at + len(word)
        following = self._text[end : end + 1]
        if following == "." and (word == "parent" or word in ATTRIBUTE_SCOPES):
            return self._scoped_attribute(word, end + 1)
        if following == ":" and word in INTRINSIC_SCOPES:
            return self._scoped_intrinsic(word, end + 1)
        if word == "nil":
            return self._token(TokenKind.NIL, end)
        if word in LITERALS:
            return self._token(TokenKind.LITERAL, end, ast.Static(*LITERALS[word], at=self._at))
        if word in INTRINSICS:
            return self._token(TokenKind.FIELD, end, ast.IntrinsicField(INTRINSICS[word], at=self._at))
        return self._token(TokenKind.NAME, end)

    def _scoped_intrinsic(self, scope: str, start: int) -> Token:
        blank = _BLANK.match(self._text, start)
        word = _WORD.match(self._text, blank.end() if blank else start)
        name = f"{scope}:{word.group() if word else ''}"
        if word is None or name not in INTRINSICS:
            known = ", ".join(sorted(key for key in INTRINSICS if key.startswith(f"{scope}:")))
            return self._fail(f"`{name}` is not an intrinsic: expected one of {known}")
        return self._token(TokenKind.FIELD, word.end(), ast.IntrinsicField(INTRINSICS[name], at=self._at))

    def _scoped_attribute(self, word: str, start: int) -> Token:
        if word != "parent":
            return self._attribute(self._at, start, ATTRIBUTE_SCOPES[word])
        for scope in (ast.AttributeScope.SPAN, ast.AttributeScope.RESOURCE):
            if self._text.startswith(f"{scope}.", start):
                return self._attribute(self._at, start + len(scope) + 1, scope, parent=True)
        end = self._name_end(start)
        if (spelling := self._text[start:end]) in INTRINSICS:
            return self._token(TokenKind.FIELD, end, ast.IntrinsicField(INTRINSICS[spelling], parent=True, at=self._at))
        return self._attribute(self._at, start, ast.AttributeScope.NONE, parent=True)

    def _attribute(self, at: int, start: int, scope: ast.AttributeScope, *, parent: bool = False) -> Token:
        end = self._name_end(start)
        if end == start:
            self._fail(f"expected the name of an attribute after `{self._text[at:start]}`", start)
        return self._token(TokenKind.FIELD, end, ast.Attribute(scope, self._key(start, end), parent, at=at))

    def _name_end(self, start: int) -> int:
        at, quoted = start, False
        while at < len(self._text) and (quoted or is_attribute_character(self._text[at])):
            if self._text[at] == '"':
                quoted = not quoted
            elif quoted and self._text[at] == "\\":
                at += 1
            at += 1
        if quoted:
            self._fail('the quoted name is not closed: expected `"`', start)
        return at

    def _key(self, start: int, end: int) -> str:
        parts: list[str] = []
        at, quoted = start, False
        while at < end:
            character = self._text[at]
            if character == '"':
                quoted = not quoted
            elif quoted and character == "\\":
                at += 1
                if self._text[at] not in '"\\':
                    self._fail('expected `"` or `\\` after the backslash in a quoted name', at)
                parts.append(self._text[at])
            else:
                parts.append(character)
            at += 1
        return "".join(parts)
