"""An index whose readers find what was acknowledged before they asked, also what is not in a block yet."""

from collections.abc import Callable
from typing import Any, cast

from spanlake.store.index.base import Index

_READING = frozenset({"find", "catalog", "look_up", "summary", "tenants", "days", "known_ids", "entries", "live"})


class _SettledIndex:
    """The methods of an index; those that read blocks call ``settle`` first."""

    def __init__(self, index: Index, settle: Callable[[], None]) -> None:
        self._index = index
        self._settle = settle

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._index, name)
        if name not in _READING:
            return method

        def read(*args: Any, **kwargs: Any) -> Any:
            self._settle()
            return method(*args, **kwargs)

        return read


def settled(index: Index, settle: Callable[[], None]) -> Index:
    """Return the index for readers; ``settle`` makes blocks of all that was acknowledged, and raises StoreError."""
    return cast("Index", _SettledIndex(index, settle))
