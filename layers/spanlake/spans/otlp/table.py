"""Assembles the span table from decoded messages."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans import ids
from spanlake.spans.arrow import Array, nested, of_type
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.otlp import elements, repair, times
from spanlake.spans.otlp.envelope import Envelope, Parents
from spanlake.spans.otlp.limits import Limits
from spanlake.spans.otlp.messages import Messages
from spanlake.spans.otlp.pivot import Lists, Pivoted, pivot
from spanlake.spans.schema import ENTITY_REFS, EVENTS, FIXED, LINKS

_SERVICE_NAME = AttributeColumn(Scope.RESOURCE, "service.name", ValueType.STRING).name


def table(envelope: Envelope, messages: Messages) -> pa.Table:
    """Make the span table. Raises what rest.column raises, since nested values are first decoded here."""
    resource, scope, span = _pivoted(envelope, messages)
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


def _pivoted(envelope: Envelope, messages: Messages) -> list[Pivoted]:
    resources, scopes = envelope.resources, envelope.scopes
    return pivot(
        messages.attributes,
        [
            _lists(Scope.RESOURCE, resources.fields, messages.resource_codes, resources.row),
            _lists(Scope.SCOPE, scopes.fields, messages.scope_codes, scopes.row),
            _lists(Scope.SPAN, messages.spans, messages.span_codes, None),
        ],
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
        **times.columns(fields["start_time_unix_nano"], fields["end_time_unix_nano"]),
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
    events = elements.column(EVENTS, counts["events"], messages.events, messages.attributes, messages.event_codes)
    links = elements.column(LINKS, counts["links"], messages.links, messages.attributes, messages.link_codes)
    return {"events": events, "links": links}
