"""Options of the command line, made from the settings' declarations."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from spanlake.settings.kinds import TRUTH
from spanlake.settings.model import ClientSettings, Config
from spanlake.settings.setting import Program, Setting, build, settings_of
from spanlake.settings.units import InvalidSetting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Removed:
    """A setting of earlier versions, which is refused with a reason, except for values that change nothing."""

    name: str  # with hyphens
    reason: str
    allowed: Sequence[str] = ()

    @property
    def parameter(self) -> inspect.Parameter:
        """The parameter of a command, which its help does not list."""
        variable = f"SPANLAKE_{self.name.upper().replace('-', '_')}"
        option = typer.Option(f"--{self.name}", parser=self._refuse, envvar=variable, hidden=True)
        return inspect.Parameter(
            self.name.replace("-", "_"), inspect.Parameter.KEYWORD_ONLY, default="", annotation=Annotated[Any, option]
        )

    def _refuse(self, value: str) -> str:
        if value and value not in self.allowed:
            raise typer.BadParameter(self.reason)
        return ""


def takes_settings(
    area: type[T], program: Program, *, removed: Sequence[Removed] = ()
) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Give a command an option for each setting of a program; the command gets them as the dataclass ``area``."""
    declared = tuple(settings_of(area, program))

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        def run(**values: Any) -> None:
            try:
                command(_built(area, program, values))
            except InvalidSetting as error:
                typer.echo(f"spanlake: {error}", err=True)
                raise typer.Exit(1) from None

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        parameters = [*(_parameter(each, program) for each in declared), *(each.parameter for each in removed)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def takes(group: type[Any], name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a dataclass; the command gets them as the argument ``name``.

    The types of the fields are typer's options, their defaults the options' defaults.
    """
    options = tuple(inspect.signature(group).parameters.values())

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**values: Any) -> None:
            given = group(**{each.name: values.pop(each.name) for each in options})
            command(**values, **{name: given})

        own = [each for each in inspect.signature(command).parameters.values() if each.name != name]
        shown = [*own, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in options)]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in shown}
        return run

    return decorate


def _built(area: type[T], program: Program, values: dict[str, Any]) -> T:
    """Make the dataclass; raises InvalidSetting."""

    def value_of(declared: Setting) -> Any:
        if declared.programs & program:
            return values[_python_name(declared)]
        return declared.kind.parse(str(declared.default_of(program)))

    return build(area, value_of)


def _parameter(declared: Setting, program: Program) -> inspect.Parameter:
    default: Any = str(declared.default_of(program))
    if _is_flag(declared):
        default = declared.kind.parse(default)
    return inspect.Parameter(
        _python_name(declared), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_annotation(declared)
    )


def _annotation(declared: Setting) -> Any:
    return Annotated[bool if _is_flag(declared) else Any, _option(declared)]


def _option(declared: Setting) -> Any:
    if _is_flag(declared):
        return typer.Option(envvar=declared.variable or None, help=declared.help)

    def parse(value: Any) -> Any:
        if not isinstance(value, str):  # a default
            return value
        try:
            return declared.kind.parse(value)
        except InvalidSetting as error:
            raise typer.BadParameter(str(error)) from None

    return typer.Option(
        declared.option,
        parser=parse,
        envvar=declared.variable or None,
        metavar=declared.kind.metavar,
        help=declared.help,
    )


def _is_flag(declared: Setting) -> bool:
    return declared.kind is TRUTH


def _python_name(declared: Setting) -> str:
    return declared.name.replace("-", "_")


_COMMON = {declared.name: _option(declared) for area in (ClientSettings, Config) for declared in settings_of(area)}

CLIENT, STORE = ClientSettings(), Config()  # with the defaults

Data = Annotated[Path, _COMMON["data"]]
StoreData = Data
Objects = Annotated[str, _COMMON["objects"]]
Index = Annotated[str, _COMMON["index"]]
Retention = Annotated[timedelta | None, _COMMON["retention"]]
PortOffset = Annotated[int, _COMMON["port-offset"]]
Url = Annotated[str, _COMMON["url"]]
Tenant = Annotated[str, _COMMON["tenant"]]
Timeout = Annotated[float, _COMMON["timeout"]]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Header to send, as for a token; repeatable."),
]


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a store is: a data directory, or its blocks and its index elsewhere."""

    data: Data = STORE.data
    objects: Objects = STORE.objects
    index: Index = STORE.index


takes_store = takes(StoreAddress, "store")
"""Gives a command the options of a store, as its argument ``store``."""
