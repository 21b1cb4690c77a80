"""Runs queries on an engine outside of the process when blocks exceed what this process reads.

A query that the engine does not support runs in this process after all, within its limits. Where they do not suffice,
the error says why the engine could not take it over.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from spanlake.query.engine.base import Engine, NotSupportedByEngine
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.scan.unread_blocks import newest_first
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Offload:
    """An engine outside of the process, and the bytes of blocks above which it reads them."""

    engine: Engine
    above_bytes: int


def offload_if_large(
    offload: Offload | None, session: Session, source: BlockScan, size: int, question: Callable[[Session, BlockScan], T]
) -> T:
    """Ask blocks, of which so many bytes have to be read, outside if they are too many for this process."""
    is_small = len(source.blocks) <= (session.limits.blocks or len(source.blocks))
    if offload is None or (size <= offload.above_bytes and is_small):
        return question(session, source)
    engine = offload.engine
    try:
        return question(session.on_engine(engine), source.without_row_numbers())
    except NotSupportedByEngine as reason:
        _log.info("query not offloaded", extra={"engine": engine.name, "reason": str(reason)})
        try:
            return question(session, source)
        except LimitExceeded as error:
            raise LimitExceeded(f"{error} ({engine.name} cannot take it over: {reason})") from None


def split_by_limit(
    source: BlockScan, offload: Offload | None, most_blocks: int = 0, end_ns: int = MAX_NS
) -> tuple[BlockScan, BlockScan]:
    """Return the newest blocks, as far as this process reads them, and the others.

    Those that start after a time come last.

    0 is no bound of blocks.
    """
    most_bytes = source.size if offload is None else offload.above_bytes
    most_blocks = most_blocks or len(source.blocks)
    if source.size <= most_bytes and len(source.blocks) <= most_blocks:
        return source, source.only(())
    newest = newest_first(source.blocks, end_ns)
    size, near = 0, set[Block]()
    for block in newest:
        size += block.size
        if size > most_bytes or len(near) == most_blocks:
            break
        near.add(block)
    there = source.only(block for block in source.blocks if block in near)
    return there, source.only(block for block in source.blocks if block not in near)
