"""The command ``spanlake reindex``."""

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.errors import CommandError
from spanlake.cli.render.numbers import counted
from spanlake.cli.storage import opened
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.identity import adopt
from spanlake.store.maintenance.reindex import Reindexed, reindex


def run(data: Path, objects_url: str, index_url: str, *, dry_run: bool) -> None:
    """Add all blocks without an entry to the index; raises CommandError, also when blocks are damaged."""
    with opened(data, objects_url, index_url, create=True) as (objects, index):
        if not dry_run:
            adopt(objects, index)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("blocks", total=sum(1 for _ in objects.list(BLOCKS)))
            done = reindex(objects, index, dry_run=dry_run, progress=lambda blocks: progress.advance(task, blocks))
    typer.echo(_told(done, dry_run=dry_run))
    faults = [
        *done.damaged,
        *(f"the index has an entry of {path}, but there is no such object" for path in done.missing),
    ]
    if faults:
        raise CommandError("\n".join(faults))


def _told(done: Reindexed, *, dry_run: bool) -> str:
    verb = "would be added" if dry_run else "added"
    return (
        f"{counted(len(done.added), 'block')} {verb} to the index, {done.known} in it already, "
        f"{len(done.replaced)} left out since other blocks hold their spans"
    )
