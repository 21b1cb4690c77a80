"""Decodes protobuf messages to Arrow arrays, by tables that say how a decoder sees them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from ptars import HandlerPool

from spanlake.spans.arrow import Array, int32
from spanlake.spans.otlp.descriptors import Messages, message_types

_LONG = 4096


class WireError(ValueError):
    """Bytes that are not a message of the expected type; the text gives the reason."""


class Decoder:
    """A decoder of messages of the types in a table. It takes a while to make: make one and share it."""

    def __init__(self, package: str, messages: Messages) -> None:
        types = message_types(package, messages)
        self._types = types
        self._handlers = HandlerPool([next(iter(types.values())).file])
        self._singular: Mapping[str, Descriptor] = message_types(package, messages, is_singular=True)

    def decode(self, message: str, payloads: Array | Sequence[bytes]) -> dict[str, Array]:
        """Decode messages of one type to an array for each field, a row for each message.

        Absent fields are NULL if they are messages or have presence; all others then have their default. ``payloads``
        holds no NULL. Raises WireError.
        """
        handler = self._handlers.get_for_message(self._types[message])
        try:
            if isinstance(payloads, pa.Array):
                self._refuse_deep(message, _long(payloads))
                batch = handler.array_to_record_batch(payloads)
            else:
                self._refuse_deep(message, payloads)
                batch = handler.list_to_record_batch(list(payloads))
        except (ValueError, DecodeError) as error:
            raise WireError(_reason(error)) from error
        return dict(zip(batch.schema.names, batch.columns, strict=True))

    def message(self, name: str) -> Any:
        """Return the class of a message, for reading a single one; it raises protobuf's DecodeError."""
        return GetMessageClass(self._types[name])

    def _refuse_deep(self, message: str, payloads: Iterable[bytes]) -> None:
        """Raise DecodeError if groups nest deeper than protobuf's own decoder allows: ptars would exhaust the stack.

        Each level takes at least a byte, so that short payloads need no test. To this decoder no field is repeated, so
        that it keeps only the last value of each.
        """
        message_class = GetMessageClass(self._singular[message])
        for payload in payloads:
            message_class.FromString(payload)


def _long(payloads: Array) -> Iterable[bytes]:
    is_long: Array = pc.greater(pc.binary_length(payloads), int32(_LONG))
    return (payload.as_py() for payload in payloads.filter(is_long)) if is_long.true_count else ()


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or "not protobuf"
