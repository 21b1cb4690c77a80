"""Errors of storage, in terms that a caller can act on."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)


class StoreError(Exception):
    """Base of every error that spanlake.store raises."""


class StorageUnavailable(StoreError):
    """The storage did not do what was asked, and the same request may succeed later: disk full, locked, throttled."""


class StorageTimeout(StorageUnavailable):
    """The storage did not answer in the time of the request; whether it did what was asked is not known."""


class StorageCorrupt(StoreError):
    """A stored file is not what it should be: damaged, foreign, or written by a newer spanlake."""


class StoreMismatch(StorageUnavailable):
    """Blocks and index do not belong together: nothing is served or deleted until an operator has looked."""


class BlockDamaged(StorageUnavailable):
    """The object of a live block is not what its entry says; an operator has to set it aside. The message names it."""


class BlockMissing(StorageUnavailable):
    """A live block has no object, and no retention explains that. The message names it."""


class ObjectNotFound(StoreError):
    """No object has this path."""


class IndexConflict(StoreError):
    """Blocks that were to be replaced are no longer live: somebody else replaced or expired them first."""


class InvalidTenant(StoreError, ValueError):
    """The tenant id is not one that spanlake accepts."""


class InvalidPath(StoreError, ValueError):
    """The object path is not a plain relative path of safe segments."""
