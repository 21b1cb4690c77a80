"""Writes Jaeger spans that were read one by one; all steps that can be are done by columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain

import pyarrow as pa

from spanlake.receivers import otlp_columns
from spanlake.receivers.jaeger import model
from spanlake.receivers.otlp_rows import Attribute, Tag
from spanlake.receivers.span_columns import Owners, SpanColumns, export
from spanlake.receivers.tags import TagLists
from spanlake.receivers.translation import Translated
from spanlake.spans.arrow import Array


class Tags:
    """The distinct tags of a sequence of batches, each with a number."""

    def __init__(self) -> None:
        self.different: list[Tag] = []
        self.numbers: dict[bytes, int] = {}
        """Numbers of known tags by their encoding."""

    def add(self, encoded: bytes, tag: Tag) -> int:
        """Add a tag that was not known."""
        number = self.numbers[encoded] = self.add_unknown(tag)
        return number

    def add_unknown(self, tag: Tag) -> int:
        """Add a tag that is not to be recognized again."""
        self.different.append(tag)
        return len(self.different) - 1


@dataclass(slots=True)
class Rows:
    """The spans of one batch; each list has a value for each span."""

    resource: bytes = b""
    """Encoded resource of all spans."""
    trace_ids: list[bytes] = field(default_factory=list)
    span_ids: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    """Names as sent, possibly not UTF-8."""
    starts_us: list[int] = field(default_factory=list)
    durations_us: list[int] = field(default_factory=list)
    tags: list[Sequence[int]] = field(default_factory=list)
    """Numbers of the tags."""
    others: list[bytes] = field(default_factory=list)
    """Parents, links and events, as fields of OTLP's Span."""
    unreadable: int = 0
    """Number of spans that are not in the lists."""


def write(batches: Sequence[Rows], tags: Sequence[Tag]) -> list[Translated]:
    """Encode an ExportTraceServiceRequest for each batch."""
    listed = _lists(chain.from_iterable(batch.tags for batch in batches))
    context = pa.repeat(otlp_columns.NOTHING, len(listed))
    plain, told = TagLists.coded(tags, listed).split(model.WITH_A_MEANING, context, _told, model.ATTRIBUTE)
    start = otlp_columns.times(_microseconds(batch.starts_us for batch in batches), 1000)
    durations = _microseconds(batch.durations_us for batch in batches)
    columns = SpanColumns(
        trace_id=_binary(batch.trace_ids for batch in batches),
        span_id=_binary(batch.span_ids for batch in batches),
        name=otlp_columns.text(_binary(batch.names for batch in batches)),
        start_ns=start,
        end_ns=otlp_columns.later(start, durations, 1000),
        others=[
            plain,
            pa.array(told.different, pa.binary()).take(told.code),
            _binary(batch.others for batch in batches),
        ],
    )
    counts = [len(batch.names) for batch in batches]
    request = pa.array(chain.from_iterable([number] * count for number, count in enumerate(counts)), pa.int64())
    resources = Owners([batch.resource for batch in batches], request.cast(pa.int32()))
    scopes = Owners([b""], pa.repeat(pa.scalar(0, pa.int32()), len(request)))
    bodies = export(columns, request, len(batches), resources, scopes)
    return [Translated.without(batch.unreadable, body) for batch, body in zip(batches, bodies, strict=True)]


def _told(_: bytes, tags: dict[str, Attribute]) -> bytes:
    return model.told_by(tags)


def _lists(tags: Iterable[Sequence[int]]) -> Array:
    lists = list(tags)
    offsets = pa.array(accumulate(map(len, lists), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(chain.from_iterable(lists), pa.int32()))


def _binary(values: Iterable[Iterable[bytes]]) -> Array:
    return pa.array(chain.from_iterable(values), pa.binary())


def _microseconds(values: Iterable[Iterable[int]]) -> Array:
    return pa.array(chain.from_iterable(values), pa.int64())
