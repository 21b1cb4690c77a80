"""The command ``spanlake status``."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from spanlake.cli.client import json as answer
from spanlake.cli.client.client import Client
from spanlake.cli.errors import nothing_found
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import size
from spanlake.cli.render.terminal import output, print_json
from spanlake.cli.storage import opened
from spanlake.store.index.base import by_day, quarantined_days

_STATUS = "/status"
_FIGURES = ("blocks", "spans", "bytes")


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The content of a store, as the JSON of a server's /status."""

    whose: str
    body: bytes


def of_server(client: Client) -> StoreStatus:
    """Fetch the status of a server; raises CommandError."""
    return StoreStatus(client.url, client.get(_STATUS))


def in_directory(data: Path) -> StoreStatus:
    """Read the status of a data directory; raises CommandError."""
    with opened(data) as (_, index):
        quarantined = quarantined_days(index.unfinished_merges(), time.time())
        return StoreStatus(
            str(data), json.dumps({"store": by_day(index.summary()), "quarantined": quarantined}).encode()
        )


def run(told: StoreStatus, *, as_json: bool) -> None:
    """Print the status; raises CommandError, and typer.Exit when nothing is stored."""
    days = answer.objects(answer.parse(told.body), "store")
    if as_json:
        print_json(told.body)
    elif days:
        output().print(_table(days))
        for line in _quarantined(told.body):
            output().print(Text(line, style="red"))
    if not days:
        raise nothing_found(f"{told.whose} holds no spans")


def _quarantined(body: bytes) -> list[str]:
    """Return a line for each day that compaction skips; servers of older versions do not report them."""
    found = answer.parse(body)
    days = answer.objects(found, "quarantined") if "quarantined" in found else []
    return [
        f"{_text(day, 'tenant')} {_text(day, 'date')}: compaction has failed {answer.whole(day, 'attempts')} times "
        f"({_text(day, 'reason')}) and now skips the day: try again with spanlake compact"
        for day in days
    ]


def _text(day: answer.Object, key: str) -> str:
    return printable(answer.text(day, key))


def _table(days: list[answer.Object]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_footer=len(days) > 1)
    totals = {figure: sum(answer.whole(day, figure) for day in days) for figure in _FIGURES}
    table.add_column("Tenant", footer="All", overflow="fold", style="cyan")
    table.add_column("Date", no_wrap=True)
    for figure in _FIGURES:
        table.add_column(figure.capitalize(), footer=_figure(figure, totals[figure]), justify="right", no_wrap=True)
    table.add_column("Blocks by level")
    for day in days:
        figures = (_figure(figure, answer.whole(day, figure)) for figure in _FIGURES)
        names = (printable(answer.text(day, key)) for key in ("tenant", "date"))
        table.add_row(*(Text(cell) for cell in (*names, *figures, _levels(day))))
    return table


def _figure(figure: str, value: int) -> str:
    return size(value) if figure == "bytes" else f"{value:,}"


def _levels(day: answer.Object) -> str:
    levels = answer.objects(day, "levels")
    return ", ".join(f"{answer.whole(level, 'level')}: {answer.whole(level, 'blocks'):,}" for level in levels)
