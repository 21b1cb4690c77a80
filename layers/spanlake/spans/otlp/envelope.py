"""Resources and scopes of requests, each distinct one decoded once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, distinct, int32, repeated
from spanlake.spans.otlp import attributes, nesting, repair
from spanlake.spans.otlp.attribute_limits import few_references, limited
from spanlake.spans.otlp.attributes import Attributes
from spanlake.spans.otlp.limits import Limits


@dataclass(frozen=True, slots=True)
class Parents:
    """The different resources, or scopes, that spans belong to, one a row in each array."""

    row: Array
    """For each span the row of its resource or scope (int32)."""
    is_present: Array
    """True where there is a message; an empty message differs from none."""
    schema_url: Array
    fields: dict[str, Array]
    """The message's fields; defaults where there is no message."""
    identity: Array
    """Number that is equal for equal content, in every process (int64)."""

    def present(self, values: Array) -> Array:
        """Return a field's values, NULL where there is no message."""
        return pc.if_else(self.is_present, values, pa.scalar(None, values.type))

    def of_spans(self, values: Array) -> Array:
        """Return for each span the value of its resource or scope; strings are dictionary-encoded."""
        return repeated(values, self.row)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The spans of requests, as bytes, with their resources and scopes."""

    resource_spans: Array
    """A list of decoded ResourceSpans for each request."""
    spans: Array
    spans_per_request: list[int]
    resources: Parents
    scopes: Parents
    damaged_requests: Sequence[int]
    """Requests that could not be decoded without repair."""


def open_(requests: Sequence[bytes], limits: Limits) -> Envelope:
    """Extract the spans of ExportTraceServiceRequests, in order. Raises protobuf.WireError and limits.TooMuch."""
    nesting.check(requests)
    read = repair.read("Request", requests, limits)
    return open_decoded(read.fields["resource_spans"], limits, read.repaired)


def open_decoded(by_request: Array, limits: Limits, damaged_requests: Sequence[int] = ()) -> Envelope:
    """Extract the spans from decoded requests, given the ResourceSpans of each. Raises what ``open_`` raises."""
    resource_spans = by_request.flatten()
    by_resource = scopes_of(resource_spans)
    scope_spans = by_resource.flatten()
    limits.check("resources", len(resource_spans), smallest=64)
    limits.check("scopes", len(scope_spans), smallest=32)
    by_scope = scope_spans.field("spans")
    spans = by_scope.flatten()
    limits.check("spans", len(spans), smallest=32)
    ends = by_scope.offsets.take(by_resource.offsets.take(by_request.offsets))
    scope = pc.list_parent_indices(by_scope)
    resource: Array = pc.list_parent_indices(by_resource)
    return Envelope(
        resource_spans=by_request,
        spans=spans,
        spans_per_request=pc.pairwise_diff(ends).slice(1).to_pylist(),
        resources=_parents("Resource", resource_spans, resource.take(scope), limits),
        scopes=_parents("Scope", scope_spans, scope, limits),
        damaged_requests=damaged_requests,
    )


def scopes_of(resource_spans: Array) -> Array:
    """Return the scopes of each resource; where there are none, the scopes under their name before OTLP 0.16."""
    found, former = resource_spans.field("scope_spans"), resource_spans.field("instrumentation_library_spans")
    if not len(former.flatten()):
        return found
    return pc.if_else(pc.equal(pc.list_value_length(found), int32(0)), former, found)


def _parents(message: str, containers: Array, row: Array, limits: Limits) -> Parents:
    payloads, schema_urls = _merged(containers.field(message.lower())), containers.field("schema_url")
    number, first = distinct(payloads, schema_urls)
    payload, schema_url = payloads.take(first), schema_urls.take(first)
    is_present = payload.is_valid()
    fields = limited(repair.decode(message, pc.fill_null(payload, b""), limits), limits)
    if "entity_refs" in fields:
        fields["entity_refs"] = few_references(fields["entity_refs"])
    return Parents(number.take(row), is_present, schema_url, fields, _identity(is_present, schema_url, fields))


def _merged(payloads: Array) -> Array:
    """Join the messages in each list, NULL for none: concatenated encodings are the encoding of the merged message."""
    lengths: Array = pc.list_value_length(payloads)
    flat: Array = payloads.flatten()
    if pc.any(pc.greater(lengths, int32(1))).as_py():
        return pa.array([b"".join(each) if each else None for each in payloads.to_pylist()], pa.binary())
    if len(flat) == len(payloads):
        return flat
    is_there = pc.equal(lengths, int32(1))
    return flat.take(pc.if_else(is_there, payloads.offsets.slice(0, len(payloads)), int32(None)))


def _identity(is_present: Array, schema_url: Array, fields: dict[str, Array]) -> Array:
    """Hash the content, not the encoding: the order of attributes does not matter."""
    heads = zip(
        is_present.to_pylist(),
        schema_url.to_pylist(),
        *(values.to_pylist() for name, values in sorted(fields.items()) if name != "attributes"),
        strict=True,
    )
    attributes = fields["attributes"].flatten().to_pylist()
    bounds = pairwise(fields["attributes"].offsets.to_pylist())
    ids = [_hash(head, sorted(attributes[start:end])) for head, (start, end) in zip(heads, bounds, strict=True)]
    return pa.array(ids, pa.int64())


def _hash(head: tuple[Any, ...], attributes: Iterable[bytes]) -> int:
    """Hash parts without ambiguity: the head in ASCII, each attribute behind its length."""
    content = b"".join([ascii(head).encode(), *(b"%d:%b" % (len(attribute), attribute) for attribute in attributes)])
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)


@dataclass(frozen=True, slots=True)
class Messages:
    """Fields of spans, events and links, and the attributes of all messages."""

    spans: dict[str, Array]
    events: dict[str, Array]
    links: dict[str, Array]
    attributes: Attributes
    resource_codes: Array
    scope_codes: Array
    span_codes: Array
    event_codes: Array
    link_codes: Array
    limits: Limits
    unreadable: frozenset[int]
    """Rows of spans that cannot be read; all their fields are empty."""

    @property
    def truncated(self) -> int:
        """The number of attributes whose key or value was cut off."""
        rows = self.attributes.truncated
        if not len(rows):
            return 0
        every = (self.resource_codes, self.scope_codes, self.span_codes, self.event_codes, self.link_codes)
        is_cut: list[Array] = [pc.is_in(codes, value_set=rows.cast(codes.type)) for codes in every]
        return sum(each.true_count for each in is_cut)

    @classmethod
    def read(cls, envelope: Envelope, limits: Limits, known: dict[str, Array] | None = None) -> "Messages":
        """Decode the messages in an envelope, of which the fields of spans may be known.

        Raises protobuf.WireError and limits.TooMuch.
        """
        read = repair.Read(known) if known else repair.read("Span", envelope.spans, limits)
        spans = limited(read.fields, limits)
        events = _elements("Event", spans["events"].flatten(), limits)
        links = _elements("Link", spans["links"].flatten(), limits)
        owners = (envelope.resources.fields, envelope.scopes.fields, spans, events, links)
        none = pa.array([], pa.binary())
        lists = [owner["attributes"].flatten() if owner else none for owner in owners]
        limits.check("attributes", sum(map(len, lists)), smallest=8)
        values, codes = attributes.read(lists, limits)
        resource_codes, scope_codes, span_codes, event_codes, link_codes = codes
        return cls(
            spans,
            events,
            links,
            values,
            resource_codes,
            scope_codes,
            span_codes,
            event_codes,
            link_codes,
            limits,
            read.broken,
        )


def _elements(message: str, payloads: Array, limits: Limits) -> dict[str, Array]:
    """Decode the fields of events or links; returns an empty dict when there are none."""
    if not len(payloads):
        return {}
    limits.check_elements(f"{message.lower()}s", len(payloads))
    return limited(repair.decode(message, payloads, limits), limits)
