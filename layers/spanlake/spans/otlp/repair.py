"""Repairs messages that cannot be decoded: invalid parts are replaced or left out, and the rest is kept.

Valid input never comes here. Each message is repaired alone, and only at its own level: the content of its bytes fields
is repaired when that is decoded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, where
from spanlake.spans.otlp import wire
from spanlake.spans.otlp.limits import Limits, TooMuch
from spanlake.spans.otlp.protobuf import WireError
from spanlake.spans.otlp.wire_fields import DELIMITED, FIXED32, FIXED64, VARINT, Broken, WireField, delimited, fields

_AT_ONCE = {"Request": 1}
_AT_ONCE_OTHERS = 16
"""Number of consecutive messages that are repaired without asking the decoder which of them are valid."""
_UNREADABLE_SPAN = delimited(2, b"\0")
_LOST_SPANS = {"ScopeSpans": _UNREADABLE_SPAN, "ResourceSpans": delimited(2, _UNREADABLE_SPAN)}
"""Fields that replace the spans after the place where a message is cut off, as one unreadable span."""
_WIRE_TYPES = {
    "int32": VARINT,
    "int64": VARINT,
    "uint32": VARINT,
    "bool": VARINT,
    "fixed32": FIXED32,
    "sfixed64": FIXED64,
    "double": FIXED64,
}


@dataclass(frozen=True, slots=True)
class Read:
    """Messages, decoded as far as possible."""

    fields: dict[str, Array]
    """Fields as ``wire.decode`` returns them."""
    repaired: Sequence[int] = ()
    """Rows of messages that needed repair, in order."""
    broken: frozenset[int] = frozenset()
    """Rows of messages that are cut off: only the fields before that place are kept; a span that is cut off has none.
    """


def decode(message: str, payloads: Array | Sequence[bytes], limits: Limits) -> dict[str, Array]:
    """Decode messages of one type, as ``read`` does."""
    return read(message, payloads, limits).fields


def read(message: str, payloads: Array | Sequence[bytes], limits: Limits) -> Read:
    """Decode messages of one type as ``wire.decode`` does, repairing those that cannot be decoded.

    Bytes that are not UTF-8 become U+FFFD in text. Of several values of a oneof the last counts. Fields with unknown
    numbers or another wire type are left out. Raises limits.TooMuch when there is too much to repair, and WireError for
    a whole request that is cut off.
    """
    try:
        found = wire.decode(message, payloads)
    except WireError as error:
        every = _as_bytes(payloads)
        return _repaired(message, every, list(_spoilt(message, every)), limits, error)
    if rows := _ambiguous(message, found):
        return _repaired(message, _as_bytes(payloads), rows, limits, WireError("several values for one"))
    return Read(found)


def _as_bytes(payloads: Array | Sequence[bytes]) -> list[bytes]:
    every: list[bytes] = payloads.to_pylist() if isinstance(payloads, pa.Array) else list(payloads)  # type: ignore[assignment]
    return every


def _repaired(message: str, payloads: list[bytes], rows: Sequence[int], limits: Limits, error: WireError) -> Read:
    broken = set()
    for row in rows:
        payloads[row], is_broken = _repair_or_leave_out(message, payloads[row], limits)
        if is_broken:
            broken.add(row)
    if broken and message == "Request":
        raise error
    return Read(wire.decode(message, payloads), rows, frozenset(broken))


def _spoilt(message: str, payloads: Sequence[bytes]) -> Iterator[int]:
    """Find the rows that cannot be decoded, by bisection; small groups are returned whole, with their valid rows."""
    at_once = _AT_ONCE.get(message, _AT_ONCE_OTHERS)
    halves = [(0, len(payloads))]
    while halves:
        start, stop = halves.pop()
        if stop - start <= at_once:
            yield from range(start, stop)
            continue
        middle = (start + stop) // 2
        halves += [half for half in ((middle, stop), (start, middle)) if not _is_good(message, payloads[slice(*half)])]


def _is_good(message: str, payloads: Sequence[bytes]) -> bool:
    try:
        wire.decode(message, payloads)
    except WireError:
        return False
    return True


def _ambiguous(message: str, found: Mapping[str, Array]) -> list[int]:
    """Return the rows of attributes and values with several values; the decoder keeps one of each type."""
    if message not in ("KeyValue", "AnyValue"):
        return []
    every = found["value"].flatten() if message == "KeyValue" else found.values()
    held = [values.is_valid() for values in every if values.null_count < len(values)]
    if len(held) < 2 or sum(each.true_count for each in held) == reduce(pc.or_, held).true_count:
        return []
    counts: Array = reduce(pc.add, [each.cast(pa.int8()) for each in held])
    rows: list[int] = where(pc.greater(counts, pa.scalar(1, pa.int8()))).to_pylist()
    return rows


def _repair_or_leave_out(message: str, payload: bytes, limits: Limits) -> tuple[bytes, bool]:
    try:
        return _repair(message, payload, limits)
    except TooMuch:
        if not limits.is_lenient:
            raise
        return b"", False


def _repair(message: str, payload: bytes, limits: Limits) -> tuple[bytes, bool]:
    """Return the message without its invalid parts, and True if it is cut off. Raises limits.TooMuch."""
    kept = _Kept(message, limits)
    try:
        for each in fields(payload, limits.repairs.count):
            kept.add(each, payload)
    except Broken:
        return b"" if message == "Span" else kept.to_bytes() + _LOST_SPANS.get(message, b""), True
    return kept.to_bytes(), False


@dataclass(slots=True)
class _Kept:
    """The fields of a message that are kept."""

    message: str
    limits: Limits
    repeated: list[bytes] = field(default_factory=list)
    single: dict[int, bytes] = field(default_factory=dict)
    """The last field of each number."""
    merged: dict[int, bytes] = field(default_factory=dict)
    """Content of singular message fields by number; repetitions are merged."""

    def add(self, each: WireField, payload: bytes) -> None:
        """Keep a field if the message has one of this number and type."""
        label, type_ = _fields_of(self.message).get(each.number, ("", ""))
        if not type_ or each.wire_type != _WIRE_TYPES.get(type_, DELIMITED):
            return
        if label == "oneof":
            self.single.clear()
        if label == "repeated":
            self.repeated.append(self._written(each, type_, payload))
        elif type_ in wire.MESSAGES:
            before = self.merged.get(each.number, b"")
            self.merged[each.number] = self._of(type_, before + self._of(type_, payload[each.value : each.end]))
        else:
            self.single[each.number] = self._written(each, type_, payload)

    def to_bytes(self) -> bytes:
        """Encode the kept fields as a message."""
        messages = (delimited(number, content) for number, content in self.merged.items())
        return b"".join([*self.single.values(), *messages, *self.repeated])

    def _written(self, each: WireField, type_: str, payload: bytes) -> bytes:
        content = payload[each.value : each.end]
        if type_ == "string":
            return delimited(each.number, content.decode(errors="replace").encode())
        if type_ in wire.MESSAGES:
            return delimited(each.number, self._of(type_, content))
        return payload[each.start : each.end]

    def _of(self, type_: str, content: bytes) -> bytes:
        repaired, _ = _repair(type_, content, self.limits)
        return repaired


@cache
def _fields_of(message: str) -> Mapping[int, tuple[str, str]]:
    """Return label and type of each field, by number."""
    split = ((number, type_.rpartition(" ")) for number, _, type_ in wire.MESSAGES[message])
    return {number: (label, type_) for number, (label, _, type_) in split}
