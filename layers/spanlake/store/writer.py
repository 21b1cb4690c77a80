"""Making spans durable: the object first, then the index."""

import time
from datetime import date

import pyarrow as pa

from spanlake.store.blocks import write_table
from spanlake.store.index import Block, CatalogEntry, Index
from spanlake.store.objects import Objects


def write(objects: Objects, index: Index, tenant: str, table: pa.Table, content_hash: bytes) -> list[Block]:
    """Store the spans of a tenant, durable and found by queries when this returns; the blocks, one a UTC day.

    The hash stands for tenant and requests: writing the same again makes the same blocks. When this fails nothing
    is indexed, at most objects without an entry are left behind. Raises StorageUnavailable and ValueError (see
    write_table).
    """
    blocks: list[Block] = []
    catalog: dict[tuple[str, date], frozenset[CatalogEntry]] = {}
    for fresh in write_table(tenant, table, content_hash, time.time_ns()):
        objects.put(fresh.block.path, fresh.data)
        blocks.append(fresh.block)
        catalog[tenant, fresh.block.date] = fresh.catalog
    if blocks:
        index.add(blocks, catalog)
    return blocks
