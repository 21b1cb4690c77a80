"""OTLP requests become a span table: all spans of all requests in one pass, without a Python step a span."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pyarrow as pa

from spanlake.spans import envelope
from spanlake.spans.limits import Limits, TooMuch
from spanlake.spans.messages import Messages
from spanlake.spans.protobuf import WireError
from spanlake.spans.rest import TooLarge
from spanlake.spans.table import table


class MalformedRequest(ValueError):  # noqa: N818
    """A request that is not an ExportTraceServiceRequest; the text says what is wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not an OTLP trace export request: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """The spans of some requests, in their order."""

    table: pa.Table
    """A span table (see ``schema``)."""
    spans_per_request: list[int]
    unreadable: frozenset[int] = frozenset()
    """The rows of spans that cannot be read: they count, and are for ``validate`` to take out."""


def decode(requests: Sequence[bytes]) -> Decoded:
    """Decode ExportTraceServiceRequests; TracesData is encoded alike.

    What cannot be read in a message is left out or replaced (see ``repair``). Ids of 1 to 15 and 1 to 7 bytes are
    padded, any others kept, for ``validate`` to judge. Raises MalformedRequest if one of the requests is none, if it is
    damaged and has no span that can be read, or if it is made of messages too small to mean anything, of which a small
    body would make a large table.
    """
    try:
        return _decode(requests)
    except (WireError, TooLarge, TooMuch) as error:
        raise MalformedRequest(str(error)) from error


def _decode(requests: Sequence[bytes]) -> Decoded:
    limits = Limits.of(requests)
    opened = envelope.open_(requests, limits)
    messages = Messages.read(opened, limits)
    decoded = Decoded(table(opened, messages), opened.spans_per_request, messages.unreadable)
    _refuse_lost(decoded, opened.damaged_requests)
    return decoded


def _refuse_lost(decoded: Decoded, damaged: Sequence[int]) -> None:
    """Raise WireError for a request that is damaged and has no readable span: it may be of another kind."""
    if not damaged and not decoded.unreadable:
        return
    bounds = list(pairwise(accumulate(decoded.spans_per_request, initial=0)))
    for number, (start, end) in enumerate(bounds):
        is_damaged = number in damaged if start == end else decoded.unreadable.issuperset(range(start, end))
        if is_damaged:
            raise WireError("no span of it can be read")
