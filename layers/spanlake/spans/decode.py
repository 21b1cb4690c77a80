"""OTLP requests become a span table: all spans of all requests in one pass, without a Python step a span."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from spanlake.spans import envelope
from spanlake.spans.limits import Limits, TooMuch
from spanlake.spans.messages import Messages
from spanlake.spans.protobuf import WireError
from spanlake.spans.rest import TooDeep
from spanlake.spans.table import table


class MalformedRequest(ValueError):  # noqa: N818
    """A request that is not an ExportTraceServiceRequest: which of those decoded together, and what is wrong."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"not an OTLP trace export request: {reason}")
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """The spans of some requests, in their order."""

    table: pa.Table
    """A span table (see ``schema``)."""
    spans_per_request: list[int]


def decode(requests: Sequence[bytes]) -> Decoded:
    """Decode ExportTraceServiceRequests; TracesData is encoded alike.

    Ids of 1 to 15 and 1 to 7 bytes are padded, any others kept, for ``validate`` to judge. Raises MalformedRequest
    for the first request that is not one, that nests deeper than protobuf decoders follow, or that is made of
    messages too small to mean anything, of which a small body would make a large table.
    """
    try:
        return _decode(requests)
    except (WireError, TooDeep, TooMuch) as error:
        raise _blamed(requests, error) from error


def _blamed(requests: Sequence[bytes], error: Exception) -> Exception:
    """The error of the first request that cannot be decoded on its own."""
    if len(requests) == 1:
        return MalformedRequest(0, str(error))
    for index, request in enumerate(requests):
        try:
            _decode([request])
        except (WireError, TooDeep, TooMuch) as own:
            return MalformedRequest(index, str(own))
    return error


def _decode(requests: Sequence[bytes]) -> Decoded:
    limits = Limits.of(requests)
    opened = envelope.open_(requests, limits)
    messages = Messages.read(opened, limits)
    return Decoded(table(opened, messages), opened.spans_per_request)
