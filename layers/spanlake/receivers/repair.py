"""Repairs protobuf requests that cannot be read as a whole, by leaving out the parts that are not protobuf.

This takes a Python step for each message, so that it is only for requests that failed in the fast way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from spanlake.receivers.translation import MalformedSpans, Translated
from spanlake.spans.otlp.limits import TooMuch
from spanlake.spans.otlp.protobuf import Decoder, WireError

Parts = Mapping[str, Mapping[str, str]]
"""By message and bytes field, the type of the message that the bytes encode."""

_FEW = 1024
_SMALLEST = 8
"""Minimum average size of parts in bytes."""


@dataclass(frozen=True, slots=True)
class ProtobufFormat:
    """A protocol whose requests are protobuf, and their translation."""

    name: str
    """Name of the protocol in error messages."""
    decoder: Callable[[], Decoder]
    request: str
    """Message type of its requests."""
    spans: str
    """Path to the repeated field of a request that holds the spans."""
    parts: Parts
    translate: Callable[[Sequence[bytes]], list[bytes]]
    """Converts requests to OTLP; raises WireError, DecodeError and TooMuch."""

    def translated(self, bodies: Sequence[bytes]) -> list[Translated]:
        """Convert requests to OTLP, without the spans that are not protobuf.

        A request that cannot be read as a whole is repaired when it is alone. Raises MalformedSpans.
        """
        try:
            return [Translated(otlp) for otlp in self.translate(bodies)]
        except (WireError, DecodeError) as error:
            if len(bodies) > 1:
                raise self.malformed(error) from error
        except TooMuch as error:
            raise self.malformed(error) from error
        return [self._repaired(*bodies)]

    def _repaired(self, body: bytes) -> Translated:
        try:
            repaired = Repair(self.decoder(), self.parts).request(self.request, body, self.spans)
            (otlp,) = self.translate([repaired.body])
        except (WireError, TooMuch, DecodeError) as error:
            raise self.malformed(error) from error
        return Translated.without(repaired.unreadable, otlp)

    def malformed(self, error: Exception) -> MalformedSpans:
        """Make the error for a request that is not protobuf of this type."""
        return MalformedSpans(self.name, str(error).rpartition(": ")[2] or "not protobuf")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A request after repair, which can be read."""

    body: bytes
    unreadable: int
    """Number of spans that were left out."""


@dataclass(slots=True)
class Repair:
    """A repair of one request."""

    decoder: Decoder
    parts: Parts
    _left: int = 0

    def request(self, name: str, body: bytes, spans: str) -> Repaired:
        """Repair a request of this type; the path ``spans`` leads to the repeated field with its spans.

        Raises DecodeError when the request itself is not protobuf, TooMuch when most of its parts are empty.
        """
        self._left = _FEW + len(body) // _SMALLEST
        message = self.decoder.message(name).FromString(body)
        sent = len(_at(message, spans))
        self._mend(message)
        return Repaired(message.SerializeToString(), sent - len(_at(message, spans)))

    def _mend(self, message: Any) -> None:
        message.DiscardUnknownFields()
        for field, part in self.parts.get(message.DESCRIPTOR.name, {}).items():
            if message.DESCRIPTOR.fields_by_name[field].is_repeated:
                encoded = getattr(message, field)
                encoded[:] = list(self._mended(part, encoded))
            elif message.HasField(field):
                self._mend_field(message, field, part)
        for descriptor, value in message.ListFields():
            if descriptor.message_type is not None:
                for each in value if descriptor.is_repeated else (value,):
                    self._mend(each)

    def _mend_field(self, message: Any, field: str, part: str) -> None:
        mended = list(self._mended(part, (getattr(message, field),)))
        message.ClearField(field)
        for encoded in mended:
            setattr(message, field, encoded)

    def _mended(self, name: str, encoded: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the messages that can be read, repaired."""
        read = self.decoder.message(name).FromString
        for each in encoded:
            self._left -= 1
            if self._left < 0:
                raise TooMuch("most of its parts are empty")
            try:
                message = read(each)
            except DecodeError:
                continue
            self._mend(message)
            yield message.SerializeToString()


def _at(message: Any, path: str) -> Any:
    for field in path.split("."):
        message = getattr(message, field)
    return message
