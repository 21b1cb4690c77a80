"""The rate at which each tenant may send: a token bucket of bytes for each."""

# ruff: noqa: N818  (the name says what happened; "Error" would add nothing)

import math
import time
from collections.abc import Callable
from threading import Lock

from spanlake.ingest.request import IngestError
from spanlake.settings.tenant_limits import TenantLimits

_BURST_SECONDS = 10
_LONGEST_RETRY = 60
_MANY = 10_000


class RateLimited(IngestError):
    """The tenant sends faster than allowed; the same request may succeed later."""

    def __init__(self, message: str, retry_seconds: int) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class IngestRates:
    """Buckets of bytes by tenant, for one process; safe to use from any thread."""

    def __init__(self, limits_of: Callable[[str], TenantLimits], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits_of = limits_of
        self._clock = clock
        self._lock = Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # bytes that are left, and when

    def take(self, tenant: str, size: int) -> None:
        """Take the bytes of a request from the tenant's bucket; raises RateLimited.

        A request that is larger than the bucket is taken when the bucket is full, and leaves a debt: otherwise its
        sender would repeat it in vain.
        """
        limits = self._limits_of(tenant)
        if limits.ingest_rate is None:
            return
        rate = limits.ingest_rate
        burst = limits.ingest_burst or rate * _BURST_SECONDS
        with self._lock:
            now = self._clock()
            left, at = self._buckets.get(tenant, (float(burst), now))
            left = min(burst, left + (now - at) * rate)
            if left < min(size, burst):
                self._buckets[tenant] = left, now
                raise self._refusal(rate, (min(size, burst) - left) / rate)
            if len(self._buckets) >= _MANY:
                self._forget_full(now)
            self._buckets[tenant] = left - size, now

    def _refusal(self, rate: int, seconds: float) -> RateLimited:
        retry = min(max(math.ceil(seconds), 1), _LONGEST_RETRY)
        return RateLimited(f"the tenant sends more than {rate} bytes a second: send it again after {retry} s", retry)

    def _forget_full(self, now: float) -> None:
        """Forget tenants whose bucket is full by now: many names must not take memory for ever."""
        for tenant, (left, at) in list(self._buckets.items()):
            limits = self._limits_of(tenant)
            rate = limits.ingest_rate or 0
            if left + (now - at) * rate >= (limits.ingest_burst or rate * _BURST_SECONDS):
                del self._buckets[tenant]
