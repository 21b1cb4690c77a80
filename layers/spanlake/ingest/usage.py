"""Usage by tenant and attributes, as Tempo's cost attribution has it."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.settings.tenant_limits import Dimensions, TenantLimits
from spanlake.spans.arrow import Array, string
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.telemetry.interface import IngestMetrics, Usage

MISSING = "__missing__"
"""Value of a label where a span has none of its attributes."""
_MOST_SERIES = 10_000
_SCOPES = {"resource": (Scope.RESOURCE,), "span": (Scope.SPAN,)}
_ANY_SCOPE = (Scope.SPAN, Scope.RESOURCE)
"""Scopes of a name without a scope: the span's attribute counts where both have it."""


def count_usage(
    metrics: IngestMetrics, tenant: str, limits: TenantLimits, spans: pa.Table, sizes: Array | None
) -> None:
    """Count the bytes of spans by the tenant's attributes of usage, if it has any."""
    if limits.usage_attributes and sizes is not None and spans.num_rows:
        used = by_attributes(spans, sizes, limits.usage_attributes)
        metrics.usage(tenant, used, limits.usage_series or _MOST_SERIES)


def by_attributes(spans: pa.Table, sizes: Array, dimensions: Dimensions) -> Usage:
    """Sum up the sizes of spans by labels; several attributes with one label are tried in their order."""
    named: dict[str, list[str]] = {}
    for attribute, label in dimensions:
        named.setdefault(label, []).append(attribute)
    labels = sorted(named)
    columns = {label: _values(spans, named[label]) for label in labels}
    sums = pa.table({**columns, "": sizes}).group_by(labels, use_threads=False).aggregate([("", "sum")])
    values = zip(*(sums[label].to_pylist() for label in labels), strict=True)
    sizes_of: Iterable[Any] = sums["_sum"].to_pylist()
    return dict(zip((tuple(zip(labels, each, strict=True)) for each in values), sizes_of, strict=True))


def _values(spans: pa.Table, attributes: list[str]) -> Array:
    """Return for each span the first text that one of the attributes has."""
    found = [
        _text(spans[name]) for attribute in attributes for name in _columns(attribute) if name in spans.schema.names
    ]
    return pc.coalesce(*found, string(MISSING)) if found else pa.repeat(string(MISSING), spans.num_rows)


def _text(column: Array) -> Array:
    texts = column.combine_chunks().cast(pa.string())
    return pc.if_else(pc.equal(texts, string("")), pa.scalar(None, pa.string()), texts)


def _columns(attribute: str) -> Iterator[str]:
    scope, _, key = attribute.partition(".")
    scopes, key = (_SCOPES[scope], key) if scope in _SCOPES else (_ANY_SCOPE, attribute)
    return (AttributeColumn(each, key, ValueType.STRING).name for each in scopes)
