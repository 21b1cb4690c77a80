"""The bytes that Athena may read for a tenant on one UTC day."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from spanlake.query.limits import OF_TENANT, LimitExceeded
from spanlake.store.errors import StoreError

_log = logging.getLogger(__name__)


class Scanned(Protocol):
    """Bytes that Athena has read, by tenant and day; both methods raise StoreError."""

    def scanned(self, tenant: str, day: date) -> int:
        """Return the bytes of a day."""

    def add_scanned(self, tenant: str, day: date, size: int) -> None:
        """Add to the bytes of a day."""


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class DailyAllowance:
    """Checks and counts the bytes of tenants with a limit; a query over several tenants counts for each of them."""

    meter: Scanned
    today: Callable[[], date] = _today

    @property
    def is_limited(self) -> bool:
        """True where the tenants of the request have a limit."""
        limits = OF_TENANT.get()
        return limits is not None and limits.athena_bytes is not None

    def check(self) -> None:
        """Raise LimitExceeded where a tenant of the request has no bytes left, and StoreError."""
        limits = OF_TENANT.get()
        if limits is None or limits.athena_bytes is None:
            return
        for tenant in limits.tenants:
            used = self.meter.scanned(tenant, self.today())
            if used >= limits.athena_bytes:
                raise LimitExceeded(
                    f"Athena has read {used} bytes for the tenant {tenant} today (limit: {limits.athena_bytes}): "
                    "ask for a shorter time range, or tomorrow (UTC)"
                )

    def count(self, size: int) -> None:
        """Count the bytes that a query has read; what the store does not take is logged."""
        limits = OF_TENANT.get()
        if limits is None or not size:
            return
        try:
            for tenant in limits.tenants:
                self.meter.add_scanned(tenant, self.today(), size)
        except StoreError as error:
            _log.error("bytes of Athena not counted", extra={"bytes_scanned": size, "reason": str(error)})
