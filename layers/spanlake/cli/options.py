"""Options of several commands: names, variables, units and help."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from spanlake.settings.units import InvalidSetting, parse_age, parse_limit


def setting(parse: Callable[[str], object], variable: str, metavar: str, about: str) -> Any:
    """Make an option whose text is parsed by a function that raises InvalidSetting."""

    def checked(text: str) -> object:
        try:
            return parse(text)
        except InvalidSetting as error:
            raise typer.BadParameter(str(error)) from None

    return typer.Option(parser=checked, envvar=variable, metavar=metavar, help=about)


def count(variable: str, about: str, least: int = 1, most: int | None = None) -> Any:
    """Make an option for a whole number."""
    return typer.Option(envvar=variable, metavar="N", min=least, max=most, help=about)


def seconds(variable: str, about: str, least: float = 0.1) -> Any:
    """Make an option for a time in seconds."""
    return typer.Option(envvar=variable, metavar="SECONDS", min=least, help=about)


Data = Annotated[Path, typer.Option(envvar="SPANLAKE_DATA", help="Directory that holds blocks and index.")]
Objects = Annotated[
    str, typer.Option(envvar="SPANLAKE_OBJECTS", metavar="URL", help="URL of blocks, s3://bucket/prefix; default DIR.")
]
Index = Annotated[
    str, typer.Option(envvar="SPANLAKE_INDEX", metavar="URL", help="URL of index, dynamodb://table; default DIR.")
]
Listen = Annotated[str, typer.Option(envvar="SPANLAKE_LISTEN", help="Address to listen on.")]
RETENTION = setting(parse_age, "SPANLAKE_RETENTION", "AGE", "Retention of spans, as in 14d or 36h; 0 keeps any age.")
PortOffset = Annotated[int, typer.Option(envvar="SPANLAKE_PORT_OFFSET", metavar="N", help="Added to every port.")]
MaxRequestBytes = Annotated[
    int,
    setting(parse_limit, "SPANLAKE_MAX_REQUEST_BYTES", "SIZE", "Size limit of a request, decompressed."),
]
MaxInFlightBytes = Annotated[
    int,
    setting(
        parse_limit,
        "SPANLAKE_MAX_IN_FLIGHT_BYTES",
        "SIZE",
        "Limit on requests in memory; more must retry.",
    ),
]
LingerMs = Annotated[
    float,
    typer.Option(
        envvar="SPANLAKE_LINGER_MS",
        metavar="N",
        min=0,
        help="Time that concurrent requests wait to share a block.",
    ),
]
