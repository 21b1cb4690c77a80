import re
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.spans.columns import AttributeColumn, Scope, ValueType, attribute_columns
from spanlake.spans.schema import FIXED

NAMES = [
    (Scope.SPAN, "foo", ValueType.STRING, "span_foo"),
    (Scope.RESOURCE, "service.name", ValueType.STRING, "resource_service_name"),
    (Scope.SCOPE, "language", ValueType.STRING, "scope_language"),
    (Scope.SPAN, "http.status_code", ValueType.INT, "span_http_status__code___int"),
    (Scope.SPAN, "a_b", ValueType.DOUBLE, "span_a__b___double"),
    (Scope.SPAN, "a.b", ValueType.BOOL, "span_a_b___bool"),
    (Scope.SPAN, "1.2", ValueType.STRINGS, "span_1_2___strings"),
    (Scope.SPAN, "x", ValueType.INTS, "span_x___ints"),
    (Scope.SPAN, "x", ValueType.DOUBLES, "span_x___doubles"),
    (Scope.SPAN, "x", ValueType.BOOLS, "span_x___bools"),
    # keys that need a hash
    (Scope.SPAN, "Foo.Bar", ValueType.STRING, "span_foo_bar___k845addd9"),
    (Scope.SPAN, "Foo.Bar", ValueType.INT, "span_foo_bar___k845addd9___int"),
    (Scope.SPAN, "a..b", ValueType.STRING, "span_a_b___kf62b4241"),
    (Scope.SPAN, "a__b", ValueType.STRING, "span_a_b___k"),
    (Scope.SPAN, "_a", ValueType.STRING, "span_a___k"),
    (Scope.SPAN, "a_", ValueType.STRING, "span_a___k"),
    (Scope.SPAN, "a.", ValueType.STRING, "span_a___k"),
    (Scope.SPAN, "a\n", ValueType.STRING, "span_a___k"),
    (Scope.SPAN, "größe in m", ValueType.STRING, "span_gr_e_in_m___k"),
    (Scope.SPAN, "", ValueType.STRING, "span_key___ke3b0c442"),
    (Scope.SPAN, "日本", ValueType.STRING, "span_key___k"),
    # keys whose names are those of fixed columns
    (Scope.SPAN, "id", ValueType.STRING, "span_id___ka5614527"),
    (Scope.RESOURCE, "schema.url", ValueType.STRING, "resource_schema_url___k"),
    (Scope.SCOPE, "name", ValueType.STRING, "scope_name___k"),
    (Scope.SPAN, "id", ValueType.INT, "span_id___int"),
    # a key that would make a name that is too long
    (Scope.SPAN, "a" * 300, ValueType.STRING, f"span_{'a' * 64}___k"),
]

keys = st.one_of(
    st.text(max_size=300),
    st.text("ab._", max_size=6),
    st.from_regex(r"[a-z0-9]{1,3}([._][a-z0-9]{1,3}){0,3}", fullmatch=True),
    st.sampled_from([name.partition("_")[2] for name in FIXED.names]),
)
columns = st.builds(AttributeColumn, st.sampled_from(Scope), keys, st.sampled_from(ValueType))


@pytest.mark.parametrize(("scope", "key", "type_", "name"), NAMES)
def test_column_name_encodes_scope_key_and_type(scope: Scope, key: str, type_: ValueType, name: str) -> None:
    found = AttributeColumn(scope, key, type_).name

    assert re.sub(r"(___k)[0-9a-f]{8}$", r"\1", found) == name if name.endswith("___k") else found == name


@given(columns)
def test_column_name_is_an_identifier_for_athena(column: AttributeColumn) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
    assert len(column.name) <= 255
    assert column.name not in FIXED.names


@given(st.lists(columns, unique=True))
def test_column_names_are_unique(found: list[AttributeColumn]) -> None:
    assert len({column.name for column in found}) == len(found)


@given(st.lists(columns, unique=True))
def test_attribute_columns_are_read_from_schema(found: list[AttributeColumn]) -> None:
    schema = pa.schema([*FIXED, *(column.field() for column in found)])

    assert attribute_columns(schema) == found
    assert schema.types[len(FIXED) :] == [column.arrow_type for column in found]


def test_field_metadata_describes_attribute() -> None:
    field = AttributeColumn(Scope.SPAN, "http.status_code", ValueType.INT).field()

    assert field.metadata == {
        b"spanlake.key": b"http.status_code",
        b"spanlake.scope": b"span",
        b"spanlake.type": b"int",
    }


def test_attribute_columns_are_ordered() -> None:
    every = [AttributeColumn(*parts) for parts in product(Scope, ("b", "a"), ValueType)]

    assert min(every) == AttributeColumn(Scope.RESOURCE, "a", ValueType.BOOL)
