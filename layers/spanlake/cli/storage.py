"""Opens the store of a command: a data directory, or storage elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanlake.cli.errors import CommandError
from spanlake.ingest.log_recovery import store_logged
from spanlake.store.errors import StoreError
from spanlake.store.identity import check_identity
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.open import open_index, open_objects

_INDEX = "index.sqlite"


@contextmanager
def opened(data: Path, objects: str = "", index: str = "", *, create: bool = False) -> Iterator[tuple[Objects, Index]]:
    """Open the objects and the index of an existing store; errors of the store become CommandErrors.

    What servers of the directory have acknowledged becomes blocks first. With ``create``, the index may be missing, and
    need not belong to the objects.
    """
    if not index and not create and not (data / _INDEX).exists():
        raise CommandError(f"{data} holds no {_INDEX}: name the directory of a server's --data")
    try:
        opened_index = open_index(index, data, None)
        try:
            opened_objects = open_objects(objects, data)
            if not create:
                check_identity(opened_objects, opened_index)
                if not objects and not index:
                    store_logged(data, opened_objects, opened_index)
            yield opened_objects, opened_index
        finally:
            opened_index.close()
    except StoreError as error:
        raise CommandError(str(error)) from None
