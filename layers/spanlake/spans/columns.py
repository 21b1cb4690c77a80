"""Mapping from attributes to column names and back.

The name is a pure function of scope, key and type, so that files agree on it without coordination. It is an identifier
that Athena accepts. A key of words of ``[a-z0-9]`` joined by single ``.`` or ``_`` is spelled out (``.`` as ``_``,
``_`` as ``__``). A slug and a hash replace any other key, a key that is too long, and a key whose name is that of a
fixed column.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import pyarrow as pa

from spanlake.spans.schema import FIXED

_PLAIN_KEY = re.compile(r"[a-z0-9]+(?:[._][a-z0-9]+)*")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_LONGEST_PLAIN = 200  # with scope and type it stays under the 255 characters of a Glue column name
_LONGEST_SLUG = 64
_FIXED_NAMES = frozenset(FIXED.names)


class Scope(StrEnum):
    """Owner of an attribute: resource, span or scope. TraceQL says ``instrumentation`` for ``scope``."""

    RESOURCE = "resource"
    SPAN = "span"
    SCOPE = "scope"


class ValueType(StrEnum):
    """Types of values that have columns. The plural types are lists whose items have one type."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"
    STRINGS = "strings"
    INTS = "ints"
    DOUBLES = "doubles"
    BOOLS = "bools"


ARROW_TYPES: dict[ValueType, pa.DataType] = {
    ValueType.STRING: pa.string(),
    ValueType.INT: pa.int64(),
    ValueType.DOUBLE: pa.float64(),
    ValueType.BOOL: pa.bool_(),
    ValueType.STRINGS: pa.list_(pa.string()),
    ValueType.INTS: pa.list_(pa.int64()),
    ValueType.DOUBLES: pa.list_(pa.float64()),
    ValueType.BOOLS: pa.list_(pa.bool_()),
}


@dataclass(frozen=True, order=True, slots=True)
class AttributeColumn:
    """The column for values of one type of one attribute."""

    scope: Scope
    key: str
    type: ValueType

    @property
    def name(self) -> str:
        """The column's name: at most 255 of ``[a-z0-9_]``, never the name of a fixed column.

        Different columns have different names, except where two keys that need a hash have equal slugs and equal 32-bit
        hashes.
        """
        suffix = "" if self.type is ValueType.STRING else f"___{self.type}"
        plain = f"{self.scope}_{_spell(self.key)}{suffix}" if _PLAIN_KEY.fullmatch(self.key) else ""
        if plain and len(plain) <= _LONGEST_PLAIN and plain not in _FIXED_NAMES:
            return plain
        return f"{self.scope}_{_slug(self.key)}___k{_hash(self.key)}{suffix}"

    @property
    def arrow_type(self) -> pa.DataType:
        """The column's type in the span table."""
        return ARROW_TYPES[self.type]

    def field(self) -> "pa.Field[Any]":
        """Return the column's Arrow field. Its metadata names scope, key and type for ``attribute_columns``."""
        return _remembered_field(self) if len(self.key) <= _LONGEST_PLAIN else _field(self)


def _field(column: AttributeColumn) -> "pa.Field[Any]":
    metadata = {
        "spanlake.key": column.key,
        "spanlake.scope": str(column.scope),
        "spanlake.type": str(column.type),
    }
    return pa.field(column.name, column.arrow_type, metadata=metadata)


_remembered_field = lru_cache(maxsize=4096)(_field)  # nearly every batch has the attributes of the previous batch


def attribute_columns(schema: pa.Schema) -> list[AttributeColumn]:
    """List the attribute columns of a span table, in its order, as the metadata of their fields describes them."""
    return [_column(field.metadata) for field in schema if field.metadata and b"spanlake.key" in field.metadata]


def _column(metadata: dict[bytes, bytes]) -> AttributeColumn:
    scope, key, type_ = (metadata[name] for name in (b"spanlake.scope", b"spanlake.key", b"spanlake.type"))
    return _remembered_column(scope, key, type_) if len(key) <= _LONGEST_PLAIN else _decoded(scope, key, type_)


def _decoded(scope: bytes, key: bytes, type_: bytes) -> AttributeColumn:
    return AttributeColumn(Scope(scope.decode()), key.decode(), ValueType(type_.decode()))


_remembered_column = lru_cache(maxsize=4096)(_decoded)


def _spell(key: str) -> str:
    return key.replace("_", "__").replace(".", "_")


def _slug(key: str) -> str:
    return _NOT_A_WORD.sub("_", key[:_LONGEST_SLUG].lower())[:_LONGEST_SLUG].strip("_") or "key"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
