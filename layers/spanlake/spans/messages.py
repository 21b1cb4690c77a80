"""The messages in an envelope, decoded level by level; before each level it is counted what there is to decode."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from spanlake.spans import attributes, wire
from spanlake.spans.arrays import Array
from spanlake.spans.attributes import Attributes
from spanlake.spans.envelope import Envelope

_FEW = 1024
"""How many messages of a kind a request may have, however small they are."""


class TooSmall(ValueError):  # noqa: N818
    """Messages of which many fit in few bytes, but whose decoded form would not fit in memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many messages requests may hold, so that what is made of them stays in proportion to their size."""

    requests: int
    size: int

    @classmethod
    def of(cls, requests: Sequence[bytes]) -> "Limits":
        return cls(len(requests), sum(map(len, requests)))

    def check(self, count: int, smallest: int, messages: str) -> None:
        """Raise TooSmall if there are more messages than requests can hold that have ``smallest`` bytes each."""
        if count > _FEW * self.requests + self.size // smallest:
            raise TooSmall(f"most of its {messages} are empty")


@dataclass(frozen=True, slots=True)
class Messages:
    """Fields of spans, events and links, and the attributes of everything."""

    spans: dict[str, Array]
    events: dict[str, Array]
    links: dict[str, Array]
    attributes: Attributes
    resource_codes: Array
    scope_codes: Array
    span_codes: Array
    event_codes: Array
    link_codes: Array

    @classmethod
    def read(cls, envelope: Envelope, limits: Limits) -> "Messages":
        """Decode the messages in an envelope. Raises wire.WireError and TooSmall."""
        limits.check(len(envelope.spans), 32, "spans")
        spans = wire.decode("Span", envelope.spans)
        events = _elements("Event", spans["events"].flatten(), limits)
        links = _elements("Link", spans["links"].flatten(), limits)
        owners = (envelope.resources.fields, envelope.scopes.fields, spans, events, links)
        none = pa.array([], pa.binary())
        lists = [owner["attributes"].flatten() if owner else none for owner in owners]
        limits.check(sum(map(len, lists)), 8, "attributes")
        values, codes = attributes.read(lists)
        return cls(spans, events, links, values, *codes)


def _elements(message: str, payloads: Array, limits: Limits) -> dict[str, Array]:
    """Fields of events or links; none at all when there are none of them."""
    if not len(payloads):
        return {}
    limits.check(len(payloads), 8, f"{message.lower()}s")
    return wire.decode(message, payloads)
