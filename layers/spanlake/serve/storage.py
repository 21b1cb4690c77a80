"""The storage of a server process: where the blocks are, and which are live."""

from dataclasses import dataclass

from spanlake.config import Config
from spanlake.metrics import StoreTotals
from spanlake.store.index import Index
from spanlake.store.objects import Objects
from spanlake.store.opening import open_index, open_objects


@dataclass(frozen=True, slots=True)
class Store:
    """Where the blocks are, and which are live."""

    objects: Objects
    index: Index

    def totals(self) -> StoreTotals:
        """What is live, over all tenants and days."""
        summary = self.index.summary()
        return StoreTotals(
            blocks=sum(day.blocks for day in summary),
            spans=sum(day.spans for day in summary),
            size=sum(day.size for day in summary),
        )


def open_store(config: Config) -> Store:
    """Open the storage: on AWS as far as it is told so, otherwise in a directory, made if needed.

    In the directory blocks are below ``spans``, the index beside them. Raises StoreError.
    """
    objects = open_objects(config.objects, config.data)
    return Store(objects, open_index(config.index, config.data, config.retention))
