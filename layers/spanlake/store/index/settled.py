"""An index whose readers find what was acknowledged before they asked, also what is not in a block yet."""

from collections.abc import Callable
from typing import Any, cast

from spanlake.store.index.base import Index

_OF_TENANT = frozenset({"find", "catalog", "look_up", "days", "known_ids", "entries", "live"})
"""Methods that read blocks of the tenant in their first argument."""
_OF_ALL = frozenset({"summary", "tenants"})

Settle = Callable[[str | None], None]
"""Makes blocks of what was acknowledged of a tenant, or of all; raises StoreError."""


class _SettledIndex:
    """The methods of an index; those that read blocks call ``settle`` first."""

    def __init__(self, index: Index, settle: Settle) -> None:
        self._index = index
        self._settle = settle

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._index, name)
        if name in _OF_TENANT:

            def of_tenant(tenant: str, *args: Any, **kwargs: Any) -> Any:
                self._settle(tenant)
                return method(tenant, *args, **kwargs)

            return of_tenant
        if name in _OF_ALL:

            def of_all(*args: Any, **kwargs: Any) -> Any:
                self._settle(None)
                return method(*args, **kwargs)

            return of_all
        return method


def settled(index: Index, settle: Settle) -> Index:
    """Return the index for readers, which find what was acknowledged."""
    return cast("Index", _SettledIndex(index, settle))
