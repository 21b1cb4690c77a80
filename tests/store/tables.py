"""Small span tables for the tests of the store."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.schema import FIXED

NOON = 1_795_348_800 * 10**9  # 2026-11-22, 12:00 UTC
HOUR = 3_600 * 10**9

SERVICE = AttributeColumn(Scope.RESOURCE, "service.name", ValueType.STRING)
STATUS = AttributeColumn(Scope.SPAN, "http.status_code", ValueType.INT)

Attributes = Mapping[AttributeColumn, Sequence[Any]]


def span_table(spans: Sequence[Mapping[str, Any]], attributes: Attributes | None = None) -> pa.Table:
    """A span table with these values, and otherwise with those of a plain span."""
    rows = [_plain_span(number) | dict(span) for number, span in enumerate(spans)]
    fixed = [pa.array([row[field.name] for row in rows], field.type) for field in FIXED]
    typed = {column: pa.array(values, column.arrow_type) for column, values in (attributes or {}).items()}
    schema = pa.schema([*FIXED, *(column.field() for column in typed)])
    return pa.table([*fixed, *typed.values()], schema=schema)


def busy_table(spans: int, seed: int = 1) -> pa.Table:
    """A span table of nine spans a trace, with attributes as services have them."""
    chance = random.Random(seed)
    trace_ids = [chance.randbytes(16) for _ in range(spans // 9 + 1)]
    rows = [
        {
            "trace_id": trace_ids[number // 9],
            "span_id": chance.randbytes(8),
            "parent_span_id": None if number % 9 == 0 else chance.randbytes(8),
            "start_time_unix_nano": NOON + number * 10**6 + chance.randrange(10**6),
            "duration_nano": chance.randrange(10**8),
            "name": chance.choice(("GET /cart", "POST /order", "select", "render")),
        }
        for number in range(spans)
    ]
    return span_table(rows, _busy_attributes(spans, chance))


def _busy_attributes(spans: int, chance: random.Random) -> Attributes:
    def column(key: str, type_: ValueType, values: Sequence[Any]) -> tuple[AttributeColumn, Sequence[Any]]:
        return AttributeColumn(Scope.SPAN, key, type_), [chance.choice(values) for _ in range(spans)]

    return dict(
        [
            column("http.method", ValueType.STRING, ("GET", "POST")),
            column("http.status_code", ValueType.INT, (200, 200, 404, 500)),
            column("user.id", ValueType.STRING, [f"u{number}" for number in range(1000)]),
            column(
                "net.peer.ip", ValueType.STRING, [f"10.1.{low}.{high}" for low in range(250) for high in range(250)]
            ),
            column("app.cart.total", ValueType.DOUBLE, [number / 100 for number in range(10_000)]),
            column("app.cache.hit", ValueType.BOOL, (True, False)),
            column("db.rows", ValueType.INT, range(10**6)),
        ]
    ) | {SERVICE: ["cart"] * spans}


def _plain_span(number: int) -> dict[str, Any]:
    values: dict[str, Any] = {field.name: _plain_value(field.type) for field in FIXED}
    return values | {
        "trace_id": (number + 1).to_bytes(16, "big"),
        "span_id": (number + 1).to_bytes(8, "big"),
        "parent_span_id": None,
        "start_time_unix_nano": NOON + number,
        "duration_nano": 1000,
        "end_time_unix_nano": None,
        "name": "render",
    }


def _plain_value(type_: pa.DataType) -> Any:
    if pa.types.is_string(type_):
        return ""
    return 0 if pa.types.is_integer(type_) else None
