"""The distinct attributes of a batch. Most attributes repeat, so each distinct one is decoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, equals_last, int32, numbers, scatter, struct_of, where
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.otlp import repair
from spanlake.spans.otlp.attribute_limits import cut, long_rows
from spanlake.spans.otlp.limits import Limits

KINDS = 16
"""Factor that leaves room for all kinds: ``key * KINDS + kind`` is an attribute's column number."""
OTHER, EMPTY, MISSING = 8, 9, 10
"""Kinds of values that no column holds: nested, mixed and bytes; an AnyValue with nothing set; no AnyValue."""

VALUE_TYPES = tuple(ValueType)
"""Types of the kinds 0 to 7, by position."""
_SCALARS = {
    ValueType.STRING: "string_value",
    ValueType.INT: "int_value",
    ValueType.DOUBLE: "double_value",
    ValueType.BOOL: "bool_value",
}
_LISTS = {
    ValueType.STRING: ValueType.STRINGS,
    ValueType.INT: ValueType.INTS,
    ValueType.DOUBLE: ValueType.DOUBLES,
    ValueType.BOOL: ValueType.BOOLS,
}
_KINDS_OF_FIELDS = {
    "string_value": 0,
    "int_value": 1,
    "double_value": 2,
    "bool_value": 3,
    "array_value": OTHER,
    "kvlist_value": OTHER,
    "bytes_value": OTHER,
    "string_value_strindex": OTHER,
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """The distinct attributes of a batch, a row each in every array but ``keys``.

    Other arrays refer to them by row number.
    """

    keys: Array
    """The distinct keys (strings), a row for each key."""
    key: Array
    """Number of the attribute's key in ``keys``, int32."""
    kind: Array
    """Kind of the attribute's value: the position of its ValueType, or OTHER, EMPTY or MISSING; int32."""
    values: Mapping[ValueType, Array]
    """Values of each type that occurs, NULL where an attribute's value has another type."""
    any_value: Array
    """Values as structs of AnyValue's fields, NULL where the value is missing."""
    column: Array
    """Number of the column that the value belongs to, NULL when no column can hold it; int32."""
    limits: Limits
    """Bounds for nested values, which are not decoded yet."""
    truncated: Array
    """Rows of attributes whose key or value was cut off."""

    def field(self, scope: Scope, number: int) -> "pa.Field[Any]":
        """Return the Arrow field of the column with this number in a scope."""
        key, kind = divmod(number, KINDS)
        return AttributeColumn(scope, self.keys[key].as_py(), VALUE_TYPES[kind]).field()

    def of_column(self, number: int) -> Array:
        """Return the values of the type that the column with this number has."""
        return self.values[VALUE_TYPES[number % KINDS]]

    def column_number(self, key: str, type_: ValueType) -> int:
        """Return the number of a column, negative when no attribute has the key."""
        index: int = pc.index(self.keys, key).as_py()
        return index * KINDS + VALUE_TYPES.index(type_)


def read(occurrences: Sequence[Array], limits: Limits) -> tuple[Attributes, list[Array]]:
    """Decode the KeyValues in binary arrays: returns the distinct attributes, and for each array their row numbers.

    Raises protobuf.WireError and limits.TooMuch.
    """
    filled = [array for array in occurrences if len(array)] or [pa.array([], pa.binary())]
    encoded: list[Array] = pa.chunked_array(filled, pa.binary()).dictionary_encode().chunks
    if not encoded:
        encoded = [filled[0].dictionary_encode()]
    indices = (chunk.indices for chunk in encoded)
    none = pa.array([], pa.int32())
    return _decode(encoded[0].dictionary, limits), [next(indices) if len(array) else none for array in occurrences]


def _decode(key_values: Array, limits: Limits) -> Attributes:
    fields = repair.decode("KeyValue", key_values, limits)
    keys, any_value, truncated = _cut(fields["key"], fields["value"], limits)
    keys = keys.dictionary_encode()
    values = {type_: any_value.field(name) for type_, name in _SCALARS.items()}
    kind = _kind(any_value)
    arrays = where(any_value.field("array_value").is_valid())
    if len(arrays):
        array_kind, lists = _lists(any_value.field("array_value").take(arrays), limits)
        kind = pc.coalesce(scatter(array_kind, arrays, len(kind)), kind)
        number = scatter(numbers(len(arrays)), arrays, len(kind))
        values |= {type_: values_.take(number) for type_, values_ in lists.items()}
    return Attributes(
        keys.dictionary, keys.indices, kind, values, any_value, _column(keys.indices, kind), limits, truncated
    )


def _cut(keys: Array, any_value: Array, limits: Limits) -> tuple[Array, Array, Array]:
    """Cut keys and texts that are too long; returns both, and the rows of these attributes."""
    long_keys = long_rows(keys, limits.key_bytes)
    texts = any_value.field("string_value")
    long_texts = long_rows(texts, limits.text_bytes)
    if not len(long_keys) and not len(long_texts):
        return keys, any_value, long_keys
    if len(long_texts):
        columns = [any_value.field(number) for number in range(any_value.type.num_fields)]
        columns[any_value.type.get_field_index("string_value")] = cut(texts, long_texts, limits.text_bytes)
        any_value = pa.StructArray.from_arrays(columns, fields=list(any_value.type), mask=any_value.is_null())
    return cut(keys, long_keys, limits.key_bytes), any_value, pc.unique(pa.concat_arrays([long_keys, long_texts]))


def _column(key: Array, kind: Array) -> Array:
    number = pc.add(pc.multiply(key, int32(KINDS)), kind)
    return pc.if_else(pc.less(kind, int32(OTHER)), number, int32(None))


def _kind(any_value: Array) -> Array:
    """Return the kind of each value, before columns of lists are considered."""
    fields = {name: any_value.field(name) for name in _KINDS_OF_FIELDS}
    is_set = {name: values.is_valid() for name, values in fields.items() if values.null_count < len(values)}
    is_set["any_value"] = any_value.is_valid()
    kinds = [int32(_KINDS_OF_FIELDS.get(name, EMPTY)) for name in is_set]
    return pc.case_when(pa.StructArray.from_arrays(list(is_set.values()), list(is_set)), *kinds, int32(MISSING))


def _lists(array_values: Array, limits: Limits) -> tuple[Array, dict[ValueType, Array]]:
    """Decode arrays. Returns their kinds, and for each type the lists of that type.

    The kind is OTHER unless all items have the same scalar type. The kind of an empty array is NULL, as it fits any
    type.
    """
    arrays = repair.decode("ArrayValue", array_values, limits)["values"]
    payloads = arrays.flatten()
    limits.check_items(len(payloads))
    items = struct_of(repair.decode("AnyValue", payloads, limits))
    kind = _common(_kind(items), pc.list_parent_indices(arrays), len(arrays))
    lists = {}
    for kind_of_items in kind.unique().drop_null().to_pylist():
        if kind_of_items < len(_SCALARS):
            type_ = VALUE_TYPES[kind_of_items]
            lists[_LISTS[type_]] = pa.ListArray.from_arrays(arrays.offsets, items.field(_SCALARS[type_]))
    is_scalar = pc.less(kind, int32(len(_SCALARS)))
    return pc.if_else(is_scalar, pc.add(kind, int32(len(_SCALARS))), int32(OTHER)), lists


def _common(item_kind: Array, array: Array, arrays: int) -> Array:
    """Return the kind that all items of an array share: OTHER if they differ, NULL if there are none."""
    kind = scatter(item_kind, array, arrays)
    is_mixed: Array = pc.and_(equals_last(array), pc.invert(equals_last(item_kind)))
    if not is_mixed.true_count:
        return kind
    mixed = array.slice(1).filter(is_mixed)
    return pc.coalesce(scatter(pa.repeat(int32(OTHER), len(mixed)), mixed, arrays), kind)
