"""Declares settings: a field of a dataclass carries its name, kind, defaults, help and the programs that take it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Flag, auto
from typing import Any, TypeVar

from spanlake.settings.kinds import Kind
from spanlake.settings.units import InvalidSetting

T = TypeVar("T")

_KEY = "setting"
_OF_KUBERNETES = frozenset({"SPANLAKE_PORT", "SPANLAKE_SERVICE_HOST", "SPANLAKE_SERVICE_PORT"})
"""Variables that pods have beside a Service named spanlake, with an address as value; those of settings end with S."""
_PREFIX = "SPANLAKE_"


class Program(Flag):
    """The programs that take settings. Functions are those of AWS Lambda; COMMANDS are all other commands."""

    SERVE = auto()
    EDGE = auto()
    COMMANDS = auto()
    AUTHORIZE = auto()
    INGEST = auto()
    QUERY = auto()
    COMPACT = auto()
    EXPIRE = auto()
    FUNCTIONS = INGEST | QUERY | COMPACT | EXPIRE  # those over the store


@dataclass(frozen=True, slots=True)
class OfMemory:
    """A default that follows from a function's memory, and how it is described."""

    about: str
    compute: Callable[[int], Any]  # of MiB

    def __str__(self) -> str:
        """Return the description."""
        return self.about


Default = str | OfMemory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)  # each is one of its kind; 0.5 ms of a start
class Setting:
    """A setting, as an operator writes it: option ``--name``, variable ``SPANLAKE_NAME``."""

    name: str  # with hyphens
    kind: Kind[Any]
    default: str
    help: str
    programs: Program
    details: str  # for the documents, after the help
    elsewhere: Mapping[Program, Default]  # defaults of programs that have another one
    required: Program  # programs that do not start without it
    parameter: str  # of the deployment's templates
    has_variable: bool

    @property
    def option(self) -> str:
        """The option of the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable, empty where there is none."""
        name = _PREFIX + self.name.upper().replace("-", "_") if self.has_variable else ""
        return f"{name}S" if name in _OF_KUBERNETES else name

    def default_of(self, program: Program) -> Default:
        """Return the default of a program."""
        return next((default for where, default in self.elsewhere.items() if program & where), self.default)


def setting(  # noqa: PLR0913, a parameter for each property of a setting
    name: str,
    kind: Kind[T],
    default: str,
    help: str,  # noqa: A002, the word of the field
    *,
    on: Program,
    details: str = "",
    elsewhere: Mapping[Program, Default] | None = None,
    required: Program | None = None,
    parameter: str = "",
    has_variable: bool = True,
) -> T:
    """Declares a field of a dataclass as a setting; the default is a text as an operator would write it."""
    declared = Setting(
        name=name,
        kind=kind,
        default=default,
        help=help,
        programs=on,
        details=details,
        elsewhere=elsewhere or {},
        required=required or Program(0),
        parameter=parameter,
        has_variable=has_variable,
    )
    made: T = field(default=kind.parse(default), metadata={_KEY: declared})
    return made


def settings_of(area: type[Any], programs: Program | None = None) -> Iterator[Setting]:
    """Yield the settings that a dataclass and the dataclasses in its fields declare, in their order."""
    for entry in fields(area):
        declared = entry.metadata.get(_KEY)
        if declared is not None and (programs is None or declared.programs & programs):
            yield declared
        elif _is_area(entry.default_factory):
            yield from settings_of(entry.default_factory, programs)  # type: ignore[arg-type]


def build(area: type[T], value_of: Callable[[Setting], Any]) -> T:
    """Make a dataclass whose settings have these values, and so the dataclasses in its fields."""
    values: dict[str, Any] = {}
    for entry in fields(area):  # type: ignore[arg-type]
        if _KEY in entry.metadata:
            values[entry.name] = value_of(entry.metadata[_KEY])
        elif _is_area(entry.default_factory):
            values[entry.name] = build(entry.default_factory, value_of)  # type: ignore[arg-type]
    return area(**values)


def from_environment(area: type[T], environment: Mapping[str, str], program: Program, memory_mib: int = 0) -> T:
    """Read the settings of a program from its variables; an empty one is not set. Raises InvalidSetting."""

    def value_of(declared: Setting) -> Any:
        text = environment.get(declared.variable, "") if declared.programs & program else ""
        return _parsed(declared, text) if text else _default(declared, program, memory_mib)

    return build(area, value_of)


def values_of(area: Any, program: Program) -> dict[str, Any]:
    """Return the values of a dataclass by field, areas nested, without the settings that a program does not take."""
    found: dict[str, Any] = {}
    for entry in fields(area):
        value, declared = getattr(area, entry.name), entry.metadata.get(_KEY)
        if _is_area(entry.default_factory):
            found |= {entry.name: nested} if (nested := values_of(value, program)) else {}
        elif declared is None or declared.programs & program:
            found[entry.name] = value
    return found


def _parsed(declared: Setting, text: str) -> Any:
    try:
        return declared.kind.parse(text)
    except InvalidSetting as error:
        raise InvalidSetting(f"{declared.variable}: {error}") from None


def _default(declared: Setting, program: Program, memory_mib: int) -> Any:
    if declared.required & program:
        raise InvalidSetting(f"{declared.variable} is not set")
    default = declared.default_of(program)
    return default.compute(memory_mib) if isinstance(default, OfMemory) else declared.kind.parse(default)


def _is_area(factory: Any) -> bool:
    return isinstance(factory, type) and hasattr(factory, "__dataclass_fields__")
