"""Protobuf message types written as tables, which say how a decoder sees the messages of other projects."""

from collections.abc import Iterable, Mapping

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

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
