"""Decoding of protobuf messages to Arrow, by tables of the fields that matter."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from ptars import HandlerPool

from spanlake.spans.arrow import Array, int32

Field = tuple[int, str, str]
"""Number, name and type; the type may follow ``repeated``, ``optional`` or ``oneof``."""
Messages = Mapping[str, Iterable[Field]]

_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "oneof": FieldDescriptorProto.LABEL_OPTIONAL,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}


def message_types(package: str, messages: Messages, *, is_singular: bool = False) -> Mapping[str, Descriptor]:
    """Make the types. With ``is_singular`` no field is repeated, and a decoder keeps only the last value of each."""
    protos = [_message(package, messages, name) for name in messages]
    for field in (field for proto in protos for field in proto.field if is_singular):
        field.label = FieldDescriptorProto.LABEL_OPTIONAL
    path = f"{package.replace('.', '/')}.proto"
    file = FileDescriptorProto(name=path, package=package, syntax="proto3", message_type=protos)
    return DescriptorPool().AddSerializedFile(file.SerializeToString()).message_types_by_name


def _message(package: str, messages: Messages, name: str) -> DescriptorProto:
    message = DescriptorProto(name=name)
    fields = list(messages[name])
    if any(type_.startswith("oneof ") for _, _, type_ in fields):
        message.oneof_decl.add(name="value")
    for number, field, type_ in fields:
        label, _, kind = type_.rpartition(" ")
        added = message.field.add(number=number, name=field, label=_LABELS[label or "optional"])
        _set_type(added, kind, f".{package}.{kind}" if kind in messages else "")
        _set_presence(message, added, label)
    return message


def _set_type(field: FieldDescriptorProto, kind: str, message: str) -> None:
    if message:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, message
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")


def _set_presence(message: DescriptorProto, field: FieldDescriptorProto, label: str) -> None:
    if label == "oneof":
        field.oneof_index = 0
    if label == "optional":
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


_LONG = 4096
_PANIC = "PanicException"
"""Class of errors that ptars raises for some lengths beyond 63 bits. It is no Exception, and cannot be imported."""


class WireError(ValueError):
    """Bytes that are not a message of the expected type; the text gives the reason."""


class Decoder:
    """A decoder of messages of the types in a table. It takes a while to make: make one and share it."""

    def __init__(self, package: str, messages: Messages) -> None:
        self._types = dict(message_types(package, messages))
        self._handlers = HandlerPool([next(iter(self._types.values())).file])
        # Kept: protobuf holds classes by weak references alone. Where garbage collection takes a class that another
        # thread has just looked up, the process may end with a segmentation fault.
        self._classes = {name: GetMessageClass(type_) for name, type_ in self._types.items()}
        singular = message_types(package, messages, is_singular=True)
        self._singular = {name: GetMessageClass(type_) for name, type_ in singular.items()}

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
        except BaseException as error:
            if type(error).__name__ != _PANIC:
                raise
            raise WireError("a length is out of range") from None
        return dict(zip(batch.schema.names, batch.columns, strict=True))

    def message(self, name: str) -> Any:
        """Return the class of a message, for reading a single one; it raises protobuf's DecodeError."""
        return self._classes[name]

    def _refuse_deep(self, message: str, payloads: Iterable[bytes]) -> None:
        """Raise DecodeError if groups nest deeper than protobuf's own decoder allows: ptars would exhaust the stack.

        Each level takes at least a byte, so that short payloads need no test. To this decoder no field is repeated, so
        that it keeps only the last value of each.
        """
        message_class = self._singular[message]
        for payload in payloads:
            message_class.FromString(payload)


def _long(payloads: Array) -> Iterable[bytes]:
    is_long: Array = pc.greater(pc.binary_length(payloads), int32(_LONG))
    return (payload.as_py() for payload in payloads.filter(is_long)) if is_long.true_count else ()


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or "not protobuf"
