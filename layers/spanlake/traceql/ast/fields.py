"""Nodes of field expressions: values, attributes, intrinsics and operators."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TypeAlias


def position_field() -> int:
    """Return the field for a node's position in the text, which no comparison regards."""
    return field(default=0, compare=False, repr=False, kw_only=True)


class Node:
    """Base of all nodes of a tree."""

    __slots__ = ()


# Values


class Type(StrEnum):
    """The type of a literal. ``nil`` is not a type: comparing with it is ``Exists``."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOL = "bool"
    DURATION = "duration"
    STATUS = "status"
    KIND = "kind"


class Status(IntEnum):
    """Status codes by their OTLP numbers; TraceQL writes the names in lower case."""

    UNSET = 0
    OK = 1
    ERROR = 2


class Kind(IntEnum):
    """Span kinds by their OTLP numbers; TraceQL writes the names in lower case."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class Static(Node):
    """A literal. Durations are whole nanoseconds, ints fit 64 bits, floats are finite."""

    type: Type
    value: int | float | str | bool | Status | Kind
    at: int = position_field()


# Fields of a span


class AttributeScope(StrEnum):
    """Scope of an attribute; ``NONE`` is the span first, then its resource."""

    NONE = ""
    RESOURCE = "resource"
    SPAN = "span"
    EVENT = "event"
    LINK = "link"
    INSTRUMENTATION = "instrumentation"


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """``span.http.method``, ``.foo``; of the parent span if ``parent`` (``parent.resource.service.name``)."""

    scope: AttributeScope
    key: str
    parent: bool = False
    at: int = position_field()


class Intrinsic(StrEnum):
    """Intrinsic field of every span. The value is its name in Tempo's results; several spellings can mean one."""

    DURATION = "duration"
    NAME = "name"
    STATUS = "status"
    STATUS_MESSAGE = "statusMessage"
    KIND = "kind"
    CHILD_COUNT = "span:childCount"
    SPAN_ID = "span:id"
    PARENT_ID = "span:parentID"
    PARENT = "parent"
    TRACE_DURATION = "traceDuration"
    TRACE_ROOT_NAME = "rootName"
    TRACE_ROOT_SERVICE = "rootServiceName"
    TRACE_ID = "trace:id"
    NESTED_SET_LEFT = "nestedSetLeft"
    NESTED_SET_RIGHT = "nestedSetRight"
    NESTED_SET_PARENT = "nestedSetParent"
    EVENT_NAME = "event:name"
    EVENT_TIME_SINCE_START = "event:timeSinceStart"
    LINK_TRACE_ID = "link:traceID"
    LINK_SPAN_ID = "link:spanID"
    INSTRUMENTATION_NAME = "instrumentation:name"
    INSTRUMENTATION_VERSION = "instrumentation:version"


@dataclass(frozen=True, slots=True)
class IntrinsicField(Node):
    """An intrinsic of the span, or of its parent if ``parent`` (``parent.duration``)."""

    intrinsic: Intrinsic
    parent: bool = False
    at: int = position_field()


Field: TypeAlias = Attribute | IntrinsicField


# Field expressions: the content of braces


class UnaryOperator(StrEnum):
    """Operators before a field expression."""

    NEGATE = "-"
    NOT = "!"


class BinaryOperator(StrEnum):
    """Operators between field expressions; between scalars and series only those of arithmetic and comparison."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    MATCH = "=~"
    NOT_MATCH = "!~"
    AND = "&&"
    OR = "||"

    @property
    def is_arithmetic(self) -> bool:
        return self.value in ("+", "-", "*", "/", "%", "^")

    @property
    def is_comparison(self) -> bool:
        return self.value in ("=", "!=", "<", "<=", ">", ">=")

    @property
    def is_regex(self) -> bool:
        return self.value in ("=~", "!~")

    @property
    def is_logical(self) -> bool:
        return self.value in ("&&", "||")


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``-x`` or ``!x``. The minus of a number literal is part of the literal."""

    op: UnaryOperator
    operand: "FieldExpression"
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left op right``; ``at`` is the operator's offset."""

    op: BinaryOperator
    left: "FieldExpression"
    right: "FieldExpression"
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """``x != nil``, or ``x = nil`` if ``negated``."""

    operand: "FieldExpression"
    negated: bool = False
    at: int = position_field()


FieldExpression: TypeAlias = Static | Attribute | IntrinsicField | Unary | Binary | Exists
