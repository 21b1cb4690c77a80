"""Jaeger's spans that are read one after the other, written together: what can be done by columns is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain

import pyarrow as pa

from spanlake.receivers import fields, jaeger
from spanlake.receivers.export import Attribute, Tag
from spanlake.receivers.span_columns import Owners, SpanColumns, export
from spanlake.receivers.tag_lists import TagLists
from spanlake.receivers.translated import Translated
from spanlake.spans.arrays import Array


class Tags:
    """The different tags of some batches, each with a number."""

    def __init__(self) -> None:
        self.different: list[Tag] = []
        self.numbers: dict[bytes, int] = {}
        """Of tags that are known, by their bytes."""

    def add(self, encoded: bytes, tag: Tag) -> int:
        """Note a tag that was not known."""
        number = self.numbers[encoded] = self.add_unknown(tag)
        return number

    def add_unknown(self, tag: Tag) -> int:
        """Note a tag that need not be known again."""
        self.different.append(tag)
        return len(self.different) - 1


@dataclass(slots=True)
class Rows:
    """The spans of one batch; a list has a value for each."""

    resource: bytes = b""
    """Of all of them, encoded."""
    trace_ids: list[bytes] = field(default_factory=list)
    span_ids: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    """As they came, perhaps not UTF-8."""
    starts_us: list[int] = field(default_factory=list)
    durations_us: list[int] = field(default_factory=list)
    tags: list[Sequence[int]] = field(default_factory=list)
    """Their numbers."""
    others: list[bytes] = field(default_factory=list)
    """Parent, links and events, as fields of OTLP's Span."""
    unreadable: int = 0
    """Spans that are not in the lists."""


def write(batches: Sequence[Rows], tags: Sequence[Tag]) -> list[Translated]:
    """An ExportTraceServiceRequest for each batch."""
    listed = _lists(chain.from_iterable(batch.tags for batch in batches))
    context = pa.repeat(fields.NOTHING, len(listed))
    plain, told = TagLists.coded(tags, listed).split(jaeger.WITH_A_MEANING, context, _told, jaeger.ATTRIBUTE)
    start = fields.times(_microseconds(batch.starts_us for batch in batches), 1000)
    durations = _microseconds(batch.durations_us for batch in batches)
    columns = SpanColumns(
        trace_id=_binary(batch.trace_ids for batch in batches),
        span_id=_binary(batch.span_ids for batch in batches),
        name=fields.text(_binary(batch.names for batch in batches)),
        start_ns=start,
        end_ns=fields.later(start, durations, 1000),
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
    return jaeger.told_by(tags)


def _lists(tags: Iterable[Sequence[int]]) -> Array:
    lists = list(tags)
    offsets = pa.array(accumulate(map(len, lists), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(chain.from_iterable(lists), pa.int32()))


def _binary(values: Iterable[Iterable[bytes]]) -> Array:
    return pa.array(chain.from_iterable(values), pa.binary())


def _microseconds(values: Iterable[Iterable[int]]) -> Array:
    return pa.array(chain.from_iterable(values), pa.int64())
