"""The id that a storage and its index share, compared before anything is served or deleted.

Without it, an index of another storage (a wrong table, a second server on the bucket, a lost file) would make all
blocks look like garbage.
"""

import json
import secrets

from spanlake.store.blocks.paths import BLOCKS, BlockPath, has_blocks
from spanlake.store.errors import ObjectNotFound, StorageCorrupt, StoreMismatch
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects

PATH = "store.json"

_PROPERTY = "store"
_SAMPLE = 20  # blocks, of which one must be known to an index that has no id yet


def check_identity(objects: Objects, index: Index, *, trust_ids: bool = False) -> None:
    """Give storage and index an id when they are new; raise StoreMismatch when they do not belong together.

    That is so when their ids differ, and when the index is empty while the storage holds blocks. With ``trust_ids`` two
    equal ids are enough, for two requests in all: a table has lost its id when it has lost its entries.
    """
    stored, indexed = _id_of(objects), index.get_property(_PROPERTY)
    if stored is not None and indexed is not None and stored != indexed:
        raise StoreMismatch(
            f"the index {index.name} belongs to other blocks than {_place(objects)}: name the index of these blocks, "
            f"or make a new one of them with `{how_to_reindex(objects, index)}`"
        )
    if trust_ids and stored is not None and stored == indexed:
        return
    is_empty = not index.tenants()
    if is_empty and has_blocks(objects):
        raise StoreMismatch(
            f"the index {index.name} is empty, but there are blocks in {_place(objects)}: name the index of these "
            f"blocks, or rebuild it with `{how_to_reindex(objects, index)}`"
        )
    if stored is None or indexed is None:
        _share(objects, index, stored, indexed, is_empty=is_empty)


def adopt(objects: Objects, index: Index) -> None:
    """Make an index that is about to be rebuilt that of the storage.

    Raises StoreMismatch where it has entries of other blocks.
    """
    stored, indexed = _id_of(objects), index.get_property(_PROPERTY)
    if index.tenants():
        if stored is not None and indexed is not None and stored != indexed:
            raise StoreMismatch(
                f"the index {index.name} holds entries of other blocks than {_place(objects)}: name an empty index"
            )
    elif stored is not None:
        index.set_property(_PROPERTY, stored)
    _set(objects, index, stored)


def _share(objects: Objects, index: Index, stored: str | None, indexed: str | None, *, is_empty: bool) -> None:
    """Give both the id that one has, or a new one."""
    if stored is not None and is_empty and objects.name.startswith("s3://"):
        raise StoreMismatch(
            f"the index {index.name} is new, but {_place(objects)} has an index: name that one, or have this one take "
            f"its place with `{how_to_reindex(objects, index)}`"
        )
    if (stored or indexed) and not is_empty and not _knows_some(objects, index):
        missing = _place(objects) if stored is None else f"the index {index.name}"
        raise StoreMismatch(
            f"{missing} has no id, and the index {index.name} knows none of the blocks in {_place(objects)}: name the "
            f"index of these blocks, or an empty one and `{how_to_reindex(objects, index)}`"
        )
    _set(objects, index, stored)


def _set(objects: Objects, index: Index, stored: str | None) -> None:
    """Give both one id. Of several processes that do so at once, all give the id that the index had first."""
    id_ = index.claim_property(_PROPERTY, stored or secrets.token_hex(16))
    if id_ != stored:
        objects.put(PATH, json.dumps({"id": id_}).encode())


def _id_of(objects: Objects) -> str | None:
    try:
        content = objects.get(PATH)
    except ObjectNotFound:
        return None
    try:
        return str(json.loads(content)["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageCorrupt(f"{PATH} in {objects.name} cannot be read: {error}") from error


def _knows_some(objects: Objects, index: Index) -> bool:
    """True where the index knows one of the first blocks, or where there are none."""
    paths = [path for info in objects.list(BLOCKS) if (path := BlockPath.parse(info.path)) is not None][:_SAMPLE]
    return not paths or any(path.id in index.known_ids(path.tenant, path.date) for path in paths)


def _place(objects: Objects) -> str:
    return f"the {'bucket' if objects.name.startswith('s3://') else 'directory'} {objects.name}"


def how_to_reindex(objects: Objects, index: Index) -> str:
    """Return the command that rebuilds the index."""
    words = ["spanlake reindex"]
    if objects.name.startswith("s3://"):
        words.append(f"--objects {objects.name}")
    elif index.name.startswith("dynamodb://"):
        words.append(f"--data {objects.name}")
    if index.name.startswith("dynamodb://"):
        words.append(f"--index {index.name}")
    else:
        words.append(f"--data {index.name.rpartition('/')[0]}")
    return " ".join(words)
