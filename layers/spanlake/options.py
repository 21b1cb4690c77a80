"""Options that several commands have: their names, variables, units and help."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from spanlake.config import InvalidSetting, parse_age, parse_limit


def setting(parse: Callable[[str], object], variable: str, metavar: str, about: str) -> Any:
    """An option whose text is read by a function that raises InvalidSetting."""

    def checked(text: str) -> object:
        try:
            return parse(text)
        except InvalidSetting as error:
            raise typer.BadParameter(str(error)) from None

    return typer.Option(parser=checked, envvar=variable, metavar=metavar, help=about)


def count(variable: str, about: str, least: int = 1, most: int | None = None) -> Any:
    """An option that takes a whole number."""
    return typer.Option(envvar=variable, metavar="N", min=least, max=most, help=about)


def seconds(variable: str, about: str, least: float = 0.1) -> Any:
    """An option that takes a time."""
    return typer.Option(envvar=variable, metavar="SECONDS", min=least, help=about)


Data = Annotated[Path, typer.Option(envvar="SPANLAKE_DATA", help="Directory that holds blocks and index.")]
Objects = Annotated[
    str, typer.Option(envvar="SPANLAKE_OBJECTS", metavar="URL", help="Blocks, s3://bucket/prefix; else in DIR.")
]
Index = Annotated[
    str, typer.Option(envvar="SPANLAKE_INDEX", metavar="URL", help="Index, dynamodb://table; else in DIR.")
]
Listen = Annotated[str, typer.Option(envvar="SPANLAKE_LISTEN", help="Address to listen on.")]
RETENTION = setting(parse_age, "SPANLAKE_RETENTION", "AGE", "How long spans are kept, as in 14d or 36h; 0 for any age.")
PortOffset = Annotated[int, typer.Option(envvar="SPANLAKE_PORT_OFFSET", metavar="N", help="Added to every port.")]
MaxRequestBytes = Annotated[
    int,
    setting(parse_limit, "SPANLAKE_MAX_REQUEST_BYTES", "SIZE", "Largest request to store spans, when decompressed."),
]
MaxInFlightBytes = Annotated[
    int,
    setting(
        parse_limit,
        "SPANLAKE_MAX_IN_FLIGHT_BYTES",
        "SIZE",
        "Requests that a process holds in memory at once; more must retry.",
    ),
]
LingerMs = Annotated[
    float,
    typer.Option(
        envvar="SPANLAKE_LINGER_MS",
        metavar="N",
        min=0,
        help="How long concurrent requests wait for each other to share a block.",
    ),
]
