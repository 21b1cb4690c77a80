"""Settings from the CDK's context: ``-c RetentionDays=30``, or ``context`` in cdk.json or cdk.context.json."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spanlake_cdk.settings import InvalidSetting, Settings

_STACK_NAME = "StackName"
_LAYERS = "LayersFolder"
_TAGS = "Tags"
_PROTECTED = "TerminationProtection"


class InvalidContext(ValueError):
    """A name or a value in the context that means nothing."""


@dataclass(frozen=True)
class Context:
    """Values of the CDK's context."""

    settings: Settings
    stack_name: str = "spanlake"
    """Name of the stack, in the names of all that has one."""
    layers: str = "build/layers"
    """Folder of the layers that ``make layers`` has made, from the repository's root."""
    tags: Mapping[str, str] = field(default_factory=lambda: {"application": "spanlake"})
    """Tags of the stack, which CloudFormation gives to all that has tags; as samconfig.toml has them."""
    termination_protection: bool = False
    """True where the stack cannot be deleted before that is turned off."""


def read(context: Mapping[str, Any]) -> Context:
    """Read settings under the names of the template's parameters; raises InvalidContext.

    Other names are the CDK's own, none of which starts with a capital letter.
    """
    given = {name: value for name, value in context.items() if name[:1].isupper()}
    stack_name = str(given.pop(_STACK_NAME, Context.stack_name))
    layers = str(given.pop(_LAYERS, Context.layers))
    protected = _parsed(_PROTECTED, bool, given.pop(_PROTECTED, False))
    tags = _tags(given.pop(_TAGS, "application=spanlake"))
    return Context(_settings(given), stack_name, layers, tags, protected)


def _tags(text: Any) -> Mapping[str, str]:
    """Read ``name=value,other=value``, as ``sam deploy --tags`` takes with spaces between."""
    pairs = [pair.partition("=") for pair in str(text).replace(",", " ").split()]
    if not all(name and sign for name, sign, _ in pairs):
        raise InvalidContext(f"{_TAGS} is {text!r}, which is not of the form name=value,other=value")
    return {name: value for name, _, value in pairs}


def _settings(given: Mapping[str, Any]) -> Settings:
    names = {described.name.replace("_", ""): described for described in dataclasses.fields(Settings)}
    values = {}
    for name, value in given.items():
        if (described := names.get(name.lower())) is None:
            raise InvalidContext(f"there is no setting {name}")
        values[described.name] = _parsed(name, described.type, value)
    try:
        return Settings(**values)
    except InvalidSetting as error:
        raise InvalidContext(str(error)) from None


def _parsed(name: str, type_: Any, value: Any) -> Any:
    try:
        return _PARSERS[type_](value)
    except ValueError:
        raise InvalidContext(f"{name} is {value!r}, which is no {type_.__name__}") from None


def _truth(value: Any) -> bool:
    if str(value).lower() not in {"true", "false"}:
        raise ValueError
    return str(value).lower() == "true"


def _texts(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part for part in map(str, parts) if part)


def _whole(value: Any) -> int:
    return int(str(value))


_PARSERS: Mapping[Any, Callable[[Any], Any]] = {int: _whole, bool: _truth, str: str, tuple[str, ...]: _texts}
