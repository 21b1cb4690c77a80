"""Tests the catalog entries of a span table."""

import pyarrow as pa

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.blocks.describe import catalog_entries
from tests.store.tables import SERVICE, STATUS, span_table

HELD = '{"bytesValue":""}'
"""OTLP JSON that has no column of its own."""


def entry(key: str, **value: object) -> dict[str, object]:
    return {"key": key} | value


def test_a_plain_span_has_none() -> None:
    assert catalog_entries(span_table([{}])) == frozenset()
    assert catalog_entries(span_table([])) == frozenset()


def test_attribute_columns_by_scope_key_and_type() -> None:
    flags = AttributeColumn(Scope.SCOPE, "Flags!", ValueType.BOOLS)
    table = span_table([{}, {}], {SERVICE: ["cart", "cart"], STATUS: [200, None], flags: [[True], None]})
    assert catalog_entries(table) == {
        CatalogEntry("resource", "service.name", "string"),
        CatalogEntry("span", "http.status_code", "int"),
        CatalogEntry("scope", "Flags!", "bools"),
    }


def test_columns_without_a_value_are_not_of_this_block() -> None:
    assert catalog_entries(span_table([{}], {STATUS: [None]})) == frozenset()


def test_keys_in_the_rest_columns() -> None:
    spans = [
        {"span_rest": [entry("a", value=HELD), entry("b", value=HELD)], "resource_rest": [entry("a", value=HELD)]},
        {"span_rest": [entry("b", value=HELD)]},
        {"scope_rest": [entry("", value=HELD)]},
    ]
    assert catalog_entries(span_table(spans)) == {
        CatalogEntry("span", "a", "rest"),
        CatalogEntry("span", "b", "rest"),
        CatalogEntry("resource", "a", "rest"),
        CatalogEntry("scope", "", "rest"),
    }


def test_keys_without_a_value_are_not_there() -> None:
    spans: list[dict[str, object]] = [
        {"span_rest": [entry("a", value="{}"), entry("b", value="null"), entry("c", value=HELD)]},
        {"links": [{"trace_id": b"t", "attributes": [entry("list", rest="{}")]}]},
    ]
    assert catalog_entries(span_table(spans)) == {CatalogEntry("span", "c", "rest")}


def test_attributes_of_events_and_links() -> None:
    spans: list[dict[str, object]] = [
        {},
        {
            "events": [
                {"name": "exception", "attributes": [entry("exception.type", string="X"), entry("retries", int=0)]},
                {"name": "bare", "attributes": None},
            ],
            "links": [{"trace_id": b"t", "attributes": [entry("ratio", double=0.5), entry("list", rest=HELD)]}],
        },
        {"events": [{"name": "again", "attributes": [entry("retries", string="none"), entry("final", bool=False)]}]},
    ]
    expected = {
        CatalogEntry("event", "exception.type", "string"),
        CatalogEntry("event", "retries", "int"),
        CatalogEntry("event", "retries", "string"),
        CatalogEntry("event", "final", "bool"),
        CatalogEntry("link", "ratio", "double"),
        CatalogEntry("link", "list", "rest"),
    }
    table = span_table(spans)
    assert catalog_entries(table) == expected
    assert catalog_entries(pa.concat_tables([table.slice(2), table.slice(0, 2)])) == expected
