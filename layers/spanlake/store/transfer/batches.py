"""Blocks copied several at a time, within a bound of memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

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
