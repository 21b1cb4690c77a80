"""Limits of tenants: from a file, or from the index that several processes share."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from spanlake.settings.tenant_limits import Overrides, TenantLimits, parse_overrides
from spanlake.settings.units import InvalidSetting
from spanlake.settings.watched import WatchedFile
from spanlake.store.deadline import limited
from spanlake.store.errors import StoreError
from spanlake.store.index.base import Index

PROPERTY = "limits"  # of the index; the text of a file of limits
_KEPT_SECONDS = 60.0
_READ_SECONDS = 2.0

_log = logging.getLogger(__name__)


class LimitsSource(Protocol):
    """Limits of tenants as they are now; safe to use from any thread."""

    @property
    def current(self) -> Overrides:
        """The limits of all tenants."""

    def refresh(self) -> None:
        """Look the limits up again if they may have changed; raises nothing."""


class NoLimits:
    """Limits where none are set."""

    current = Overrides()

    def refresh(self) -> None:
        """Do nothing."""


class LimitsFile:
    """Limits of a file, read again when it changes; one that has become invalid leaves them as they were."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises InvalidSetting."""
        try:
            self._file = WatchedFile(path, parse_overrides, InvalidSetting)
        except OSError as error:
            raise InvalidSetting(f"the file of limits {path} cannot be read: {error.strerror or error}") from None

    @property
    def current(self) -> Overrides:
        """The limits of all tenants."""
        return self._file.value

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        self._file.refresh()


class IndexedLimits:
    """Limits in a property of the index, read again every minute; failures leave them as they were."""

    def __init__(self, index: Index, clock: Callable[[], float] = time.monotonic) -> None:
        self._index = index
        self._clock = clock
        self._read_at = -_KEPT_SECONDS
        self._text: str | None = None
        self._overrides = Overrides()

    @property
    def current(self) -> Overrides:
        """The limits of all tenants."""
        return self._overrides

    def refresh(self) -> None:
        """Read the property unless that was done within the last minute."""
        now = self._clock()
        if now - self._read_at < _KEPT_SECONDS:
            return
        self._read_at = now
        try:
            with limited(_READ_SECONDS):
                text = self._index.get_property(PROPERTY)
            if text != self._text:
                self._overrides, self._text = parse_overrides((text or "").encode()), text
        except (StoreError, InvalidSetting) as error:
            _log.error("limits of tenants not read, the former count", extra={"reason": str(error)})


class RefreshedLimits:
    """Limits that are refreshed as they are used, where no thread does that: in functions."""

    def __init__(self, source: LimitsSource) -> None:
        self._source = source

    @property
    def current(self) -> Overrides:
        """The limits of all tenants."""
        self._source.refresh()
        return self._source.current

    def refresh(self) -> None:
        """Do nothing: use refreshes."""


def limits_of(source: LimitsSource) -> Callable[[str], TenantLimits]:
    """Return a function that finds the limits of one tenant."""

    def of(tenant: str) -> TenantLimits:
        return source.current.of(tenant)

    return of


def columns_of(source: LimitsSource) -> Callable[[str], int | None]:
    """Return a function that finds the limit on columns of a day of one tenant."""

    def of(tenant: str) -> int | None:
        return source.current.of(tenant).attribute_columns

    return of
