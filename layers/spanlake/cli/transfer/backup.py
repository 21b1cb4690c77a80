"""The commands ``spanlake backup`` and ``spanlake restore``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.errors import CommandError, ExitCode, InvalidOption
from spanlake.cli.render.numbers import counted, size
from spanlake.cli.storage import opened
from spanlake.store.errors import StoreError
from spanlake.store.identity import adopt
from spanlake.store.objects.base import Objects
from spanlake.store.open import open_index, open_objects
from spanlake.store.transfer.backup import back_up
from spanlake.store.transfer.restore import Verified, find_snapshot, require_empty, restore, verify
from spanlake.store.transfer.snapshots import Snapshot, snapshots

_S3 = "s3://"
_SHOWN_FAULTS = 20


def run_backup(place: str, data: Path, objects_url: str, index_url: str, keep: int) -> None:
    """Back up a store; raises CommandError, and typer.Exit when some of it is damaged."""
    _require_other_place(place, data, objects_url)
    with opened(data, objects_url, index_url) as (objects, index):
        total = sum(day.size for day in index.summary())
        with _progress("backup", total) as advance:
            done = back_up(objects, index, _open_place(place), keep=keep, advance=advance)
    snapshot = done.snapshot
    typer.echo(
        f"{snapshot.name}: {counted(snapshot.blocks, 'block')} with {counted(snapshot.spans, 'span')}, "
        f"{size(snapshot.size)}; {counted(done.copied, 'block')} copied"
        + (f", {done.removed} of old snapshots removed" if done.removed else "")
    )
    _tell_faults(done.damaged)


def run_restore(place: str, data: Path, objects_url: str, index_url: str, *, name: str, merge: bool) -> None:
    """Restore a snapshot; raises CommandError, and typer.Exit when the backup is damaged."""
    _require_other_place(place, data, objects_url)
    with _reported():
        backup = _open_existing(place)
        snapshot = find_snapshot(backup, name)
        objects = open_objects(objects_url, data)
        index = open_index(index_url, data, None)
        try:
            if not merge:
                require_empty(objects, index)
            adopt(objects, index)
            with _progress("restore", snapshot.size) as advance:
                done = restore(backup, snapshot, objects, index, advance)
        finally:
            index.close()
    _tell_faults(done.faults, "nothing was restored: ")
    typer.echo(f"{_told(done)} restored from {snapshot.name}")


def run_verify(place: str, name: str) -> None:
    """Compare a backup with its digests; raises CommandError, and typer.Exit when it is damaged."""
    with _reported():
        backup = _open_existing(place)
        snapshot = find_snapshot(backup, name)
        with _progress("verify", snapshot.size) as advance:
            done = verify(backup, snapshot, advance)
    _tell_faults(done.faults)
    typer.echo(f"{_told(done)} in {snapshot.name} match their digests")


def run_list(place: str) -> None:
    """Print the snapshots of a backup, oldest first; raises CommandError."""
    with _reported():
        found = snapshots(_open_existing(place))
    for snapshot in found:
        typer.echo(f"{snapshot.name}  {_figures(snapshot)}, {size(snapshot.size)}")


def _told(done: Verified) -> str:
    return _figures(done.snapshot)


def _figures(snapshot: Snapshot) -> str:
    return f"{counted(snapshot.blocks, 'block')} with {counted(snapshot.spans, 'span')}"


def _require_other_place(place: str, data: Path, objects_url: str) -> None:
    store = objects_url or data
    is_within = (
        place.startswith(f"{objects_url.rstrip('/')}/") or place == objects_url
        if objects_url
        else not place.startswith(_S3) and Path(place).resolve().is_relative_to(data.resolve())
    )
    if is_within:
        raise InvalidOption(f"{place} is within the store {store}: name a place beside it, best on another disk")


def _open_place(place: str) -> Objects:
    return open_objects(place, Path()) if place.startswith(_S3) else open_objects("", Path(place))


def _open_existing(place: str) -> Objects:
    if not place.startswith(_S3) and not Path(place).is_dir():
        raise CommandError(f"there is no backup in {place}")
    return _open_place(place)


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise CommandError(str(error)) from None


def _tell_faults(faults: tuple[str, ...], what: str = "") -> None:
    for fault in faults[:_SHOWN_FAULTS]:
        typer.echo(f"spanlake: {what}{fault}", err=True)
    if len(faults) > _SHOWN_FAULTS:
        typer.echo(f"spanlake: and {len(faults) - _SHOWN_FAULTS} more faults", err=True)
    if faults:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
