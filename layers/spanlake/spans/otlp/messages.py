"""Decodes the messages of an envelope, level by level; the messages of a level are counted before they are decoded."""

from dataclasses import dataclass

import pyarrow as pa

from spanlake.spans.arrow import Array
from spanlake.spans.otlp import attributes, repair
from spanlake.spans.otlp.attributes import Attributes
from spanlake.spans.otlp.envelope import Envelope
from spanlake.spans.otlp.limits import Limits


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

    @classmethod
    def read(cls, envelope: Envelope, limits: Limits) -> "Messages":
        """Decode the messages in an envelope. Raises protobuf.WireError and limits.TooMuch."""
        read = repair.read("Span", envelope.spans, limits)
        spans = read.fields
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
    limits.check(f"{message.lower()}s", len(payloads), smallest=8)
    return repair.decode(message, payloads, limits)
