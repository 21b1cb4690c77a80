"""Snapshots of a backup: the blocks that were live at one time, and their digests.

backup.json                              says that this is a backup, and of which format
spans/tenant=T/date=D/ID.parquet         blocks, at the paths they have in a store; snapshots share them
snapshots/TIME/blocks.parquet            index entries and digests of the blocks
snapshots/TIME/catalog.parquet           attributes by tenant and day
snapshots/TIME/deletions.parquet         records of deleted traces, if the store has any
snapshots/TIME/manifest.json             sizes and digests of these files; written last
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.errors import ObjectNotFound, StorageCorrupt, StoreError
from spanlake.store.index.base import Catalog
from spanlake.store.objects.base import Objects

FORMAT = 1
MARK = "backup.json"

_SNAPSHOTS = "snapshots/"
_MANIFEST = "manifest.json"
_TIME = "%Y%m%dT%H%M%S%fZ"
_ROWS = 256  # of a row group: a trace filter may have 256 KiB
_STEP = 1 << 20
_Types = dict[str, pa.DataType]
_BLOCK_COLUMNS: _Types = {
    "path": pa.string(),
    "size": pa.int64(),  # bytes of the object
    "sha256": pa.string(),
    "entry": pa.string(),  # JSON: what the index says, but for what follows
    "trace_filter": pa.binary(),
    "hidden": pa.list_(pa.binary()),
}
_BLOCKS = pa.schema(_BLOCK_COLUMNS)
_APART = ("trace_filter", "hidden")
_CATALOG = pa.schema(dict.fromkeys(("tenant", "date", "scope", "key", "type"), pa.string()))
_RECORD_COLUMNS: _Types = {"path": pa.string(), "content": pa.binary()}
_RECORDS = pa.schema(_RECORD_COLUMNS)


class SavedBlock(NamedTuple):
    """A block in a backup."""

    block: Block
    size: int  # bytes of its object
    sha256: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The blocks that were live at one time."""

    name: str
    taken: datetime
    blocks: int
    spans: int
    size: int  # bytes of the blocks
    files: Mapping[str, Mapping[str, Any]]  # size and sha256 by name

    @property
    def folder(self) -> str:
        """The prefix of its files."""
        return f"{_SNAPSHOTS}{self.name}/"


def prepare(backup: Objects) -> None:
    """Mark a place as a backup; raises StoreError where something else is, or a backup of a newer format."""
    try:
        check_mark(backup)
    except ObjectNotFound:
        if any(True for _ in backup.list()):
            raise StoreError(
                "there is something that is not a backup: name an empty place, or one with a backup"
            ) from None
        backup.put(MARK, json.dumps({"format": FORMAT}).encode())


def check_mark(backup: Objects) -> None:
    """Raise ObjectNotFound for a place that is not a backup, StoreError for a format that is not known."""
    try:
        found = int(json.loads(backup.get(MARK))["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageCorrupt(f"{MARK} cannot be read: {error}") from error
    if found > FORMAT:
        raise StoreError(f"the backup was made by a newer spanlake (format {found}, this one knows {FORMAT})")


def snapshots(backup: Objects) -> list[Snapshot]:
    """Return the whole snapshots of a backup, oldest first. Raises StorageCorrupt."""
    names = [info.path.split("/")[1] for info in backup.list(_SNAPSHOTS) if info.path.endswith(f"/{_MANIFEST}")]
    return [_read_manifest(backup, name) for name in sorted(names)]


def _read_manifest(backup: Objects, name: str) -> Snapshot:
    path = f"{_SNAPSHOTS}{name}/{_MANIFEST}"
    try:
        content = json.loads(backup.get(path))
        if content["format"] > FORMAT:
            raise StoreError(f"{path} was made by a newer spanlake (format {content['format']})")
        taken = datetime.fromisoformat(content["taken"])
        return Snapshot(name, taken, content["blocks"], content["spans"], content["bytes"], content["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageCorrupt(f"{path} cannot be read: {error}") from error


def write_snapshot(
    backup: Objects, blocks: Sequence[SavedBlock], catalog: Catalog, records: Mapping[str, bytes]
) -> Snapshot:
    """Write what is live; it counts once this returns."""
    taken = datetime.now(UTC)
    name = taken.strftime(_TIME)
    tables = {"blocks.parquet": _block_table(blocks), "catalog.parquet": _catalog_table(catalog)}
    if records:
        tables["deletions.parquet"] = pa.Table.from_pydict(
            {"path": list(records), "content": list(records.values())}, schema=_RECORDS
        )
    files = {file: _put_table(backup, f"{_SNAPSHOTS}{name}/{file}", table) for file, table in tables.items()}
    figures = {
        "blocks": len(blocks),
        "spans": sum(saved.block.spans for saved in blocks),
        "bytes": sum(saved.size for saved in blocks),
    }
    manifest = {"format": FORMAT, "taken": taken.isoformat(), **figures, "files": files}
    backup.put(f"{_SNAPSHOTS}{name}/{_MANIFEST}", json.dumps(manifest, indent=2).encode())
    return Snapshot(name, taken, figures["blocks"], figures["spans"], figures["bytes"], files)


def _put_table(backup: Objects, path: str, table: pa.Table) -> dict[str, Any]:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=_ROWS, compression="zstd")
    data = sink.getvalue()
    backup.put(path, data)
    return {"size": data.size, "sha256": hashlib.sha256(data).hexdigest()}


def _block_table(blocks: Sequence[SavedBlock]) -> pa.Table:
    return pa.table(
        [
            pa.array([saved.block.path for saved in blocks], pa.string()),
            pa.array([saved.size for saved in blocks], pa.int64()),
            pa.array([saved.sha256 for saved in blocks], pa.string()),
            pa.array([_entry(saved.block) for saved in blocks], pa.string()),
            pa.array([saved.block.trace_filter for saved in blocks], pa.binary()),
            pa.array([sorted(saved.block.hidden) for saved in blocks], pa.list_(pa.binary())),
        ],
        schema=_BLOCKS,
    )


def _entry(block: Block) -> str:
    values = {name: value for name, value in asdict(block).items() if name not in _APART}
    return json.dumps(values | {"date": block.date.isoformat()})


def _catalog_table(catalog: Catalog) -> pa.Table:
    rows = [
        {"tenant": tenant, "date": day.isoformat(), "scope": entry.scope, "key": entry.key, "type": entry.type}
        for (tenant, day), entries in catalog.items()
        for entry in sorted(entries)
    ]
    return pa.Table.from_pylist(rows, schema=_CATALOG)


def read_blocks(backup: Objects, snapshot: Snapshot) -> Iterator[SavedBlock]:
    """Yield the blocks of a snapshot, some read at a time. Raises StorageCorrupt and StorageUnavailable."""
    for row in _rows(backup, snapshot, "blocks.parquet"):
        yield SavedBlock(_block(row), row["size"], row["sha256"])


def read_digests(backup: Objects, snapshot: Snapshot) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of the blocks of a snapshot, by path."""
    rows = _rows(backup, snapshot, "blocks.parquet", ["path", "size", "sha256"])
    return {row["path"]: (row["size"], row["sha256"]) for row in rows}


def read_catalog(backup: Objects, snapshot: Snapshot) -> dict[tuple[str, date], frozenset[CatalogEntry]]:
    """Return the attributes of a snapshot's days."""
    found: dict[tuple[str, date], set[CatalogEntry]] = {}
    for row in _rows(backup, snapshot, "catalog.parquet"):
        day = row["tenant"], date.fromisoformat(row["date"])
        found.setdefault(day, set()).add(CatalogEntry(row["scope"], row["key"], row["type"]))
    return {day: frozenset(entries) for day, entries in found.items()}


def read_records(backup: Objects, snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of the records of deleted traces."""
    if "deletions.parquet" in snapshot.files:
        for row in _rows(backup, snapshot, "deletions.parquet"):
            yield row["path"], row["content"]


def check_files(backup: Objects, snapshot: Snapshot) -> None:
    """Raise StorageCorrupt when a file of a snapshot is not what its manifest says."""
    for name, expected in snapshot.files.items():
        path = f"{snapshot.folder}{name}"
        try:
            digest = _digest(backup, path)
        except ObjectNotFound:
            raise StorageCorrupt(f"{path} is missing") from None
        if digest != expected["sha256"]:
            raise StorageCorrupt(f"{path} is damaged: its SHA-256 is not the one in the manifest")


def _digest(objects: Objects, path: str) -> str:
    digest = hashlib.sha256()
    with objects.open(path) as file:
        while piece := file.read(_STEP):
            digest.update(piece)
    return digest.hexdigest()


def _rows(backup: Objects, snapshot: Snapshot, name: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    path = f"{snapshot.folder}{name}"
    with backup.open(path) as file:
        try:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=columns, use_threads=False):
                yield from batch.to_pylist()
        except pa.ArrowInvalid as error:
            raise StorageCorrupt(f"{path} cannot be read: {error}") from error


def _block(row: Mapping[str, Any]) -> Block:
    known = {field.name for field in fields(Block)}
    values = {name: value for name, value in json.loads(row["entry"]).items() if name in known}
    values |= {"date": date.fromisoformat(values["date"]), "trace_filter": row["trace_filter"]}
    return Block(**values, hidden=frozenset(row["hidden"]))


def remove_snapshots(backup: Objects, keep: int, before: datetime) -> int:
    """Remove all but the newest snapshots, and blocks that none of those names; how many blocks.

    Of the blocks only those that were copied before a time are removed: a backup may be running.
    """
    found = snapshots(backup)
    for snapshot in found[:-keep]:
        _remove(backup, snapshot.folder)
    named: set[str] = set()
    for snapshot in found[-keep:]:
        named.update(read_digests(backup, snapshot))
    unnamed = [info.path for info in backup.list(BLOCKS) if info.path not in named and info.modified < before]
    for path in unnamed:
        backup.delete(path)
    return len(unnamed)


def _remove(backup: Objects, folder: str) -> None:
    """Remove a snapshot, first the file that makes it count."""
    backup.delete(f"{folder}{_MANIFEST}")
    for info in list(backup.list(folder)):
        backup.delete(info.path)


T = TypeVar("T")

_MOST = 32
_MOST_BYTES = 64 << 20


def batches(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Part items, in order, into lists of at most 32 and of at most 64 MiB unless it is a single one."""
    batch, size = list[T](), 0
    for item in items:
        if batch and (len(batch) >= _MOST or size + size_of(item) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += size_of(item)
    if batch:
        yield batch
