"""Decodes OTLP requests to a span table: all spans of all requests in one pass, without a Python step for each span."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import pyarrow as pa

from spanlake.spans.arrow import Array
from spanlake.spans.otlp import envelope, sizes
from spanlake.spans.otlp.envelope import Messages
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.limits import MOST_ATTRIBUTES, MOST_VALUE_BYTES, Limits, TooMuch
from spanlake.spans.otlp.pivot import USUAL_PIVOT, PivotPolicy
from spanlake.spans.otlp.precheck import Checked
from spanlake.spans.otlp.protobuf import WireError
from spanlake.spans.otlp.rest import TooLarge
from spanlake.spans.otlp.table import table


@dataclass(frozen=True, slots=True)
class Options:
    """Wishes about decoding: some depend on the tenant."""

    text_bytes: int = MOST_VALUE_BYTES
    """Length of an attribute's key or text beyond which it is cut."""
    with_sizes: bool = False
    """True where the sizes of spans are needed."""
    attributes: int = MOST_ATTRIBUTES
    """Attributes of one message, beyond which they are dropped."""
    pivot: PivotPolicy = USUAL_PIVOT

    def limited(self, limits: Limits) -> Limits:
        """Return the limits with the wished number of attributes."""
        return limits if self.attributes == limits.attributes else replace(limits, attributes=self.attributes)


USUAL = Options()


@dataclass(frozen=True, slots=True)
class Decoded:
    """The spans of a sequence of requests, in order."""

    table: pa.Table
    """A span table (see ``schema``)."""
    spans_per_request: list[int]
    unreadable: frozenset[int] = frozenset()
    """Rows of spans that cannot be read. They count as spans; ``validate`` removes them."""
    truncated: int = 0
    """Number of attributes whose key or value was cut off."""
    sizes: Array | None = None
    """Bytes of each span as it was sent (int64), if they were asked for."""


def decode(requests: Sequence[bytes], options: Options = USUAL) -> Decoded:
    """Decode ExportTraceServiceRequests; TracesData has the same encoding.

    Parts of a message that cannot be read are left out or replaced (see ``repair``). Trace ids of 1 to 15 bytes and
    span ids of 1 to 7 bytes are padded; all others are kept for ``validate``. Raises MalformedRequest if a request is
    not of this type, if it is damaged and has no readable span, or if it consists of messages too small to hold data: a
    small body of such messages would make a large table.
    """
    with _malformed():
        return _decode(requests, options)


def decode_checked(checked: Checked, options: Options = USUAL) -> Decoded:
    """Decode requests from what ``precheck`` has read.

    Raises MalformedRequest when several requests together exceed limits that each may keep alone.
    """
    limits = options.limited(Limits.of_accepted(len(checked.spans_per_request), checked.size, options.text_bytes))
    with _malformed():
        opened = envelope.open_decoded(checked.resource_spans, limits)
        messages = Messages.read(opened, limits, checked.spans)
        sized = sizes.of_spans(checked.resource_spans) if options.with_sizes else None
        found = table(opened, messages, options.pivot)
        return Decoded(found, checked.spans_per_request, truncated=messages.truncated, sizes=sized)


@contextmanager
def _malformed() -> Iterator[None]:
    try:
        yield
        return
    except (WireError, TooLarge, TooMuch) as error:
        reason = str(error)
    raise MalformedRequest(reason)  # without its cause, whose frames would keep all that was decoded


def _decode(requests: Sequence[bytes], options: Options) -> Decoded:
    limits = options.limited(Limits.of(requests, options.text_bytes))
    opened = envelope.open_(requests, limits)
    messages = Messages.read(opened, limits)
    sized = sizes.of_spans(opened.resource_spans) if options.with_sizes else None
    found = table(opened, messages, options.pivot)
    decoded = Decoded(found, opened.spans_per_request, messages.unreadable, messages.truncated, sized)
    _refuse_lost(decoded, opened.damaged_requests)
    return decoded


def _refuse_lost(decoded: Decoded, damaged: Sequence[int]) -> None:
    """Raise WireError for a request that is damaged and has no readable span: it may be of another type."""
    if not damaged and not decoded.unreadable:
        return
    bounds = list(pairwise(accumulate(decoded.spans_per_request, initial=0)))
    for number, (start, end) in enumerate(bounds):
        is_damaged = number in damaged if start == end else decoded.unreadable.issuperset(range(start, end))
        if is_damaged:
            raise WireError("it has no readable span")
