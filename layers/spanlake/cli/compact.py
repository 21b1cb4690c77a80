"""The command ``spanlake compact``."""

from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.errors import CommandError
from spanlake.cli.render.numbers import counted
from spanlake.cli.storage import opened
from spanlake.store.maintenance.clock import MaintenanceClock
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compacted, Compactor
from spanlake.store.maintenance.retention import GRACE_SECONDS, Removed, purge_replaced


def run(data: Path, objects_url: str, index_url: str) -> None:
    """Merge all blocks that are due, with the rules for days that are over; raises CommandError."""
    with opened(data, objects_url, index_url) as (objects, index):
        compactor = Compactor(objects, index, quarantines=False)
        done = _compact(compactor)
        for unfinished in index.unfinished_merges():  # retried here, since a new plan has other block ids
            index.end_merge(unfinished.merge)
        time_ = MaintenanceClock(objects, index).read()
        removed = purge_replaced(objects, index, time_.now_ns) if time_.allows(GRACE_SECONDS) else Removed()
    typer.echo(_told(done))
    if removed.blocks:
        typer.echo(f"{counted(removed.blocks, 'block')} deleted that had been replaced before")
    if compactor.unreadable:
        raise CommandError("\n".join(compactor.unreadable.values()))


def _compact(compactor: Compactor) -> list[Compacted]:
    done: list[Compacted] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task, total = progress.add_task("spans", total=None), 0
        for merges in _rounds(compactor):
            total += sum(merge.spans for merge in merges)
            progress.update(task, total=total)
            for merge in merges:
                done += filter(None, [compactor.run(merge)])
                progress.advance(task, merge.spans)
    return done


def _rounds(compactor: Compactor) -> Iterator[list[Merge]]:
    """Yield the merges of all days, until none is due."""
    while merges := [merge for day in compactor.days() for merge in compactor.plan(*day, settle=True)]:
        yield merges


def _told(done: list[Compacted]) -> str:
    if not done:
        return "there was nothing to merge"
    inputs = sum(len(one.merge.inputs) for one in done)
    return f"{counted(inputs, 'block')} merged in {counted(len(done), 'merge')}"
