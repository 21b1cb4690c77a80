"""Types of span tables and of their columns in the notation of Hive, which the Glue catalog and Athena use."""

from collections.abc import Iterable

import pyarrow as pa

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.schema import FIXED
from spanlake.store.index.base import CatalogEntry

_SCALARS = {
    pa.string(): "string",
    pa.binary(): "binary",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.float64(): "double",
    pa.bool_(): "boolean",
}
_SCOPES = {scope.value: scope for scope in Scope}
_TYPES = {type_.value: type_ for type_ in ValueType}


def hive_type(type_: pa.DataType) -> str:
    """Hive's name of an Arrow type that occurs in span tables."""
    if pa.types.is_list(type_):
        return f"array<{hive_type(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return f"struct<{','.join(f'{member.name}:{hive_type(member.type)}' for member in type_)}>"
    return _SCALARS[type_]


def fixed_columns() -> dict[str, str]:
    """The columns that every span table has, with their types, in order."""
    return {field.name: hive_type(field.type) for field in FIXED}


def attribute_columns(entries: Iterable[CatalogEntry]) -> dict[str, str]:
    """The columns of the attributes in a catalog, with their types, the most useful first.

    What a resource tells comes before what a span does, and single values before lists: a query groups by the former.
    Entries that have no column of their own (of events and links, and those in the lists of the rest) have none here.
    """
    columns = {_column(entry) for entry in entries if entry.scope in _SCOPES and entry.type in _TYPES}
    return {column.name: hive_type(column.arrow_type) for column in sorted(columns, key=_usefulness)}


def _column(entry: CatalogEntry) -> AttributeColumn:
    return AttributeColumn(_SCOPES[entry.scope], entry.key, _TYPES[entry.type])


def _usefulness(column: AttributeColumn) -> tuple[int, bool, int, str]:
    scope = list(Scope).index(column.scope)
    return scope, pa.types.is_list(column.arrow_type), len(column.name), column.name
