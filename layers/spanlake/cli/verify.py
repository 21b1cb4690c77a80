"""The command ``spanlake verify``."""

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.errors import CommandError
from spanlake.cli.render.numbers import counted
from spanlake.cli.storage import opened
from spanlake.store.maintenance.verify import QUARANTINE, set_aside, verify


def run(data: Path, objects_url: str, index_url: str, *, quarantine: bool) -> None:
    """Read all live blocks and report those that are damaged or missing; raises CommandError when there are any."""
    with opened(data, objects_url, index_url) as (objects, index):
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("spans", total=sum(day.spans for day in index.summary()))
            done = verify(objects, index, lambda spans: progress.advance(task, spans))
        if quarantine:
            for fault in done.faults:
                set_aside(objects, index, fault)
    typer.echo(f"{counted(done.blocks, 'block')} read, {len(done.faults)} damaged or missing")
    if done.without_entry:
        typer.echo(
            f"{counted(done.without_entry, 'object')} without an index entry: spanlake reindex adds blocks among them"
        )
    if done.faults:
        reasons = "\n".join(fault.reason for fault in done.faults)
        aside = f"\nset aside below {QUARANTINE}, and no longer in the index" if quarantine else ""
        raise CommandError(reasons + aside)
