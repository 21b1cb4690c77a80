"""The columns of the span table, made of decoded OTLP messages."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans import schema as ids
from spanlake.spans.arrow import Array, int32, int64, nested, of_type, scatter, where
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.otlp import repair
from spanlake.spans.otlp.attributes import Attributes
from spanlake.spans.otlp.envelope import Envelope, Messages, Parents
from spanlake.spans.otlp.limits import Limits
from spanlake.spans.otlp.pivot import USUAL_PIVOT, Lists, Pivoted, PivotPolicy, pivot
from spanlake.spans.otlp.rest import texts
from spanlake.spans.schema import ENTITY_REFS, ENTRY, EVENTS, FIXED, LINKS

_LATEST = 2**63 - 1


def columns(start: Array, end: Array) -> dict[str, Array]:
    """Make the span table's time columns from unsigned nanoseconds whose 64 bits are held in int64.

    The duration is 0 for a span without an end or with an end before its start, and no end exceeds int64. In these
    cases a column of its own holds the end that was sent, so that no data is lost.
    """
    is_usual = pc.and_(pc.greater_equal(start, int64(0)), pc.greater_equal(end, start))
    if pc.all(is_usual).as_py():
        return _columns(start, pc.subtract(end, start), pa.nulls(len(start), pa.int64()))
    duration = pc.max_element_wise(pc.subtract(_told(end), _told(start)), int64(0))
    is_told = pc.equal(pc.add(start, duration), end)
    return _columns(start, duration, pc.if_else(is_told, pa.scalar(None, pa.int64()), end))


def _columns(start: Array, duration: Array, end: Array) -> dict[str, Array]:
    return {"start_time_unix_nano": start, "duration_nano": duration, "end_time_unix_nano": end}


def _told(time: Array) -> Array:
    """Limit a time to the maximum of int64."""
    return pc.if_else(pc.less(time, int64(0)), int64(_LATEST), time)


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
    if not len(others):
        return pa.nulls(len(codes), pa.string())
    return scatter(texts(attributes, codes.take(others)), others, len(codes))


_SERVICE_NAME = AttributeColumn(Scope.RESOURCE, "service.name", ValueType.STRING).name


def table(envelope: Envelope, messages: Messages, policy: PivotPolicy = USUAL_PIVOT) -> pa.Table:
    """Make the span table. Raises what rest.column raises, since nested values are first decoded here."""
    resource, scope, span = _pivoted(envelope, messages, policy)
    fixed = {
        **_spans(messages.spans),
        **_resources(envelope.resources, resource, messages.limits),
        **_scopes(envelope.scopes, scope),
        **_elements(messages),
        "span_rest": span.rest,
    }
    columns = [
        *((field, envelope.resources.of_spans(values)) for field, values in resource.columns.values()),
        *span.columns.values(),
        *((field, envelope.scopes.of_spans(values)) for field, values in scope.columns.values()),
    ]
    columns = [*((field, fixed[field.name]) for field in FIXED), *columns]
    schema = pa.schema([field.with_type(values.type) for field, values in columns])
    return pa.Table.from_arrays([values for _, values in columns], schema=schema)


def _pivoted(envelope: Envelope, messages: Messages, policy: PivotPolicy) -> list[Pivoted]:
    resources, scopes = envelope.resources, envelope.scopes
    return pivot(
        messages.attributes,
        [
            _lists(Scope.RESOURCE, resources.fields, messages.resource_codes, resources.row),
            _lists(Scope.SCOPE, scopes.fields, messages.scope_codes, scopes.row),
            _lists(Scope.SPAN, messages.spans, messages.span_codes, None),
        ],
        policy,
    )


def _lists(scope: Scope, fields: dict[str, Array], codes: Array, of_span: Array | None) -> Lists:
    lists = fields["attributes"]
    return Lists(scope, len(lists), codes, pc.list_parent_indices(lists), of_span)


def _spans(fields: dict[str, Array]) -> dict[str, Array]:
    status_message, status_code = fields["status"].flatten()
    return {
        "trace_id": ids.padded(fields["trace_id"], ids.TRACE_ID),
        "span_id": ids.padded(fields["span_id"], ids.SPAN_ID),
        "parent_span_id": ids.parents(fields["parent_span_id"]),
        **columns(fields["start_time_unix_nano"], fields["end_time_unix_nano"]),
        "name": fields["name"],
        "kind": fields["kind"],
        "status_code": status_code,
        "status_message": status_message,
        "trace_state": fields["trace_state"],
        "flags": _wide(fields["flags"]),
        "dropped_attributes_count": _wide(fields["dropped_attributes_count"]),
        "dropped_events_count": _wide(fields["dropped_events_count"]),
        "dropped_links_count": _wide(fields["dropped_links_count"]),
    }


def _wide(counts: Array) -> Array:
    return counts.cast(pa.int64())


def _resources(resources: Parents, pivoted: Pivoted, limits: Limits) -> dict[str, Array]:
    _, service_name = pivoted.columns.get(_SERVICE_NAME, (None, pa.nulls(len(resources.identity), pa.string())))
    columns = {
        "service_name": service_name,
        "resource_id": resources.identity,
        "resource_schema_url": resources.schema_url,
        "resource_dropped_attributes_count": resources.present(_wide(resources.fields["dropped_attributes_count"])),
        "resource_entity_refs": _entity_refs(resources.fields["entity_refs"], limits),
        "resource_rest": pivoted.rest,
    }
    return {name: resources.of_spans(values) for name, values in columns.items()}


def _entity_refs(payloads: Array, limits: Limits) -> Array:
    if not len(payloads.values):
        return pa.nulls(len(payloads), ENTITY_REFS)
    fields = repair.decode("EntityRef", payloads.flatten(), limits)
    arrays = [of_type(fields[field.name], field.type) for field in ENTITY_REFS.value_type]
    refs = pa.StructArray.from_arrays(arrays, fields=list(ENTITY_REFS.value_type))
    return nested(pc.list_value_length(payloads), refs)


def _scopes(scopes: Parents, pivoted: Pivoted) -> dict[str, Array]:
    columns = {
        "scope_id": scopes.identity,
        "scope_name": scopes.present(scopes.fields["name"]),
        "scope_version": scopes.present(scopes.fields["version"]),
        "scope_schema_url": scopes.schema_url,
        "scope_dropped_attributes_count": scopes.present(_wide(scopes.fields["dropped_attributes_count"])),
        "scope_rest": pivoted.rest,
    }
    return {name: scopes.of_spans(values) for name, values in columns.items()}


def _elements(messages: Messages) -> dict[str, Array]:
    counts = {name: pc.list_value_length(messages.spans[name]) for name in ("events", "links")}
    events = column(EVENTS, counts["events"], messages.events, messages.attributes, messages.event_codes)
    links = column(LINKS, counts["links"], messages.links, messages.attributes, messages.link_codes)
    return {"events": events, "links": links}
