"""Operations of the demo's shop: the span that each makes, and the operations that it calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5

Value = str | int | float | bool | list[str]
Attributes = Mapping[str, Value]
Varying = Callable[[Random], Attributes]


def nothing(_: Random) -> Attributes:
    """No attributes that vary."""
    return {}


@dataclass(frozen=True)
class Call:
    """An operation that is called, with a chance, and up to so many times one after another."""

    operation: "Operation"
    chance: float = 1.0
    most: int = 1
    is_beside: bool = False  # runs at the time of the call before it


@dataclass(frozen=True)
class Failure:
    """Failure of an operation: its chance, and the exception that it records."""

    chance: float
    type: str
    message: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Operation:
    """A span: ``own_ms`` is the mean time that it takes beside its calls."""

    service: str
    name: str
    kind: int
    own_ms: float
    attributes: Attributes = field(default_factory=dict)
    varying: Varying = nothing
    calls: tuple[Call, ...] = ()
    failure: Failure | None = None
    on_error: Attributes = field(default_factory=dict)  # what replaces attributes of a span that failed
    lag_ms: float = 0  # until it starts, as of messages in a queue
    is_apart: bool = False  # a trace of its own, with a link to its caller
    library: str = ""
