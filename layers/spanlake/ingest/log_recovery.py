"""Makes blocks of the write-ahead log of a data directory for a process that is no server."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from spanlake.ingest.log_segments import LogFiles
from spanlake.ingest.service import LogDestination, request_log
from spanlake.store.blocks.block import Block
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.write import ColumnsOf, write
from spanlake.telemetry.interface import Uncounted


def log_destination(
    data: Path, objects: Objects, index: Index, columns_of: ColumnsOf = lambda _: None
) -> LogDestination:
    """Return the log of a data directory, and its blocks and index as the destination."""

    def write_received(tenant: str, table: pa.Table, content_hash: bytes, received_ns: int) -> Sequence[Block]:
        return write(objects, index, tenant, table, content_hash, received_ns=received_ns, columns_of=columns_of)

    return LogDestination(LogFiles.of(data), write_received, index.unready_reason)


def store_logged(data: Path, objects: Objects, index: Index) -> None:
    """Store what ended processes have left in the log, and wait until running ones have stored what they hold now.

    Raises StoreError.
    """
    destination = log_destination(data, objects, index)
    if not destination.files.log.others():
        return
    log = request_log(destination, Uncounted())
    log.start()
    try:
        log.settle()
    finally:
        log.close()
