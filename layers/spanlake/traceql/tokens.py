"""Tokens of TraceQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from spanlake.traceql.ast.nodes import Attribute, AttributeScope, Intrinsic, IntrinsicField, Kind, Static, Status, Type

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
    node: Static | Attribute | IntrinsicField | None = None

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

LITERALS: Final[Mapping[str, tuple[Type, int | bool]]] = MappingProxyType(
    {
        "true": (Type.BOOL, True),
        "false": (Type.BOOL, False),
        "minInt": (Type.INT, MIN_INT),
        "maxInt": (Type.INT, MAX_INT),
        **{status.name.lower(): (Type.STATUS, status) for status in Status},
        **{kind.name.lower(): (Type.KIND, kind) for kind in Kind},
    }
)

ATTRIBUTE_SCOPES: Final[Mapping[str, AttributeScope]] = MappingProxyType(
    {scope.value: scope for scope in AttributeScope if scope}
)

INTRINSICS: Final[Mapping[str, Intrinsic]] = MappingProxyType(
    {
        **{intrinsic.value: intrinsic for intrinsic in Intrinsic},
        "span:duration": Intrinsic.DURATION,
        "span:name": Intrinsic.NAME,
        "span:status": Intrinsic.STATUS,
        "span:statusMessage": Intrinsic.STATUS_MESSAGE,
        "span:kind": Intrinsic.KIND,
        "trace:duration": Intrinsic.TRACE_DURATION,
        "trace:rootName": Intrinsic.TRACE_ROOT_NAME,
        "trace:rootService": Intrinsic.TRACE_ROOT_SERVICE,
    }
)

INTRINSIC_SCOPES: Final = frozenset(name.partition(":")[0] for name in INTRINSICS if ":" in name)


def is_attribute_character(character: str) -> bool:
    """Return True if a character may continue an unquoted attribute name."""
    return character not in "{}()=~!<>&|^," and not character.isspace()
