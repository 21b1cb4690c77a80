"""Events and links of spans: lists of structs, which hold their attributes as lists."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int32, nested, of_type, place, where
from spanlake.spans.columns import ValueType
from spanlake.spans.otlp.attributes import Attributes
from spanlake.spans.otlp.rest import texts
from spanlake.spans.schema import ENTRY

_TYPED = {
    "string": ValueType.STRING,
    "int": ValueType.INT,
    "double": ValueType.DOUBLE,
    "bool": ValueType.BOOL,
}


def column(
    type_: "pa.ListType[pa.StructType]", counts: Array, fields: dict[str, Array], attributes: Attributes, codes: Array
) -> Array:
    """Make the column of decoded events or links.

    ``counts`` holds the number of elements of each span, ``fields`` the fields of their messages (empty when there are
    no elements), and ``codes`` the numbers of their attributes. Raises what rest.texts raises.
    """
    if not fields:
        return pa.nulls(len(counts), type_)
    lists = nested(pc.list_value_length(fields["attributes"]), _entries(attributes, codes))
    struct = type_.value_type
    arrays = [of_type((fields | {"attributes": lists})[field.name], field.type) for field in struct]
    return nested(counts, pa.StructArray.from_arrays(arrays, fields=list(struct)))


def _entries(attributes: Attributes, codes: Array) -> Array:
    used: Array = codes.dictionary_encode()
    columns = [attributes.keys.take(attributes.key.take(used.dictionary))]
    columns += [attributes.values[type_].take(used.dictionary) for type_ in _TYPED.values()]
    columns.append(_others(attributes, used.dictionary))
    return pa.StructArray.from_arrays(columns, fields=list(ENTRY)).take(used.indices)


def _others(attributes: Attributes, codes: Array) -> Array:
    """Return values of types without a field as OTLP JSON; NULL for all others."""
    others = where(pc.greater_equal(attributes.kind.take(codes), int32(len(_TYPED))))
    return place(texts(attributes, codes.take(others)), others, len(codes))
