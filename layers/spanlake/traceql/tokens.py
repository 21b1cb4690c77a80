"""Tokens of TraceQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from spanlake.traceql import ast

MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1


class TokenKind(Enum):
    """Kind of a token; the value is its name in error messages."""

    FIELD = "a field"
    LITERAL = "a value"
    NIL = "nil"
    NAME = "a name"
    SYMBOL = "a symbol"
    END = "the end of the query"


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a query: its text, its offset and, for a field or literal, its node."""

    kind: TokenKind
    text: str
    at: int
    node: ast.Static | ast.Attribute | ast.IntrinsicField | None = None

    def __str__(self) -> str:
        return self.kind.value if self.kind is TokenKind.END else f"`{self.text}`"

    def is_symbol(self, *texts: str) -> bool:
        return self.kind is TokenKind.SYMBOL and self.text in texts

    def is_name(self, *texts: str) -> bool:
        return self.kind is TokenKind.NAME and self.text in texts


# Longest first, as the lexer takes the first that fits.
SYMBOLS: Final = (
    *("!>>", "!<<", "&>>", "&<<"),
    *("&&", "||", "!=", "=~", "!~", ">=", "<=", ">>", "<<", "!>", "!<", "&>", "&<", "&~"),
    *("{", "}", "(", ")", ",", "|", "=", ">", "<", "~", "!", "+", "-", "*", "/", "%", "^"),
)

COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")

LITERALS: Final[Mapping[str, tuple[ast.Type, int | bool]]] = MappingProxyType(
    {
        "true": (ast.Type.BOOL, True),
        "false": (ast.Type.BOOL, False),
        "minInt": (ast.Type.INT, MIN_INT),
        "maxInt": (ast.Type.INT, MAX_INT),
        **{status.name.lower(): (ast.Type.STATUS, status) for status in ast.Status},
        **{kind.name.lower(): (ast.Type.KIND, kind) for kind in ast.Kind},
    }
)

ATTRIBUTE_SCOPES: Final[Mapping[str, ast.AttributeScope]] = MappingProxyType(
    {scope.value: scope for scope in ast.AttributeScope if scope}
)

INTRINSICS: Final[Mapping[str, ast.Intrinsic]] = MappingProxyType(
    {
        **{intrinsic.value: intrinsic for intrinsic in ast.Intrinsic},
        "span:duration": ast.Intrinsic.DURATION,
        "span:name": ast.Intrinsic.NAME,
        "span:status": ast.Intrinsic.STATUS,
        "span:statusMessage": ast.Intrinsic.STATUS_MESSAGE,
        "span:kind": ast.Intrinsic.KIND,
        "trace:duration": ast.Intrinsic.TRACE_DURATION,
        "trace:rootName": ast.Intrinsic.TRACE_ROOT_NAME,
        "trace:rootService": ast.Intrinsic.TRACE_ROOT_SERVICE,
    }
)

INTRINSIC_SCOPES: Final = frozenset(name.partition(":")[0] for name in INTRINSICS if ":" in name)


def is_attribute_character(character: str) -> bool:
    """Return True if a character may continue an unquoted attribute name."""
    return character not in "{}()=~!<>&|^," and not character.isspace()
