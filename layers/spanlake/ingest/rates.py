"""The rate at which each tenant may send: a token bucket of bytes for each, of a process or of all functions."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import Protocol

from spanlake.ingest.errors import RateLimited
from spanlake.settings.tenant_limits import TenantLimits
from spanlake.store.deadline import limited
from spanlake.store.errors import StoreError

_BURST_SECONDS = 10
_LONGEST_RETRY = 60
_MANY = 10_000
_SECOND_NS = 10**9
_METER_SECONDS = 2.0
HELD_SECONDS = 0.5
"""The time for which a refusal is held back; functions, which are paid for by the time, answer at once."""
_MOST_HELD = 1024  # refusals, each of which keeps its call or connection

_log = logging.getLogger(__name__)


class HeldRefusals:
    """Refusals of senders that send too fast, which are told after a while. It belongs to one event loop.

    A sender that repeats at once, against the hint, has as many requests a second as it has connections, times two;
    without the wait it takes as much as the server can refuse. The request is let go of before.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._held, self._sleep = 0, sleep

    async def hold_back(self, error: Exception) -> None:
        """Wait before the sender hears of a refusal, unless many are held back already."""
        if not isinstance(error, RateLimited) or not error.held_seconds or self._held >= _MOST_HELD:
            return
        error.__traceback__ = None  # whose frames keep the body, which is not counted any more
        self._held += 1
        try:
            await self._sleep(error.held_seconds)
        finally:
            self._held -= 1


class Rates(Protocol):
    """The rates of tenants; safe to use from any thread."""

    def take(self, tenant: str, size: int) -> None:
        """Take the bytes of a request from the tenant's bucket; raises RateLimited."""


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
        burst = _burst(limits, rate)
        with self._lock:
            now = self._clock()
            left, at = self._buckets.get(tenant, (float(burst), now))
            left = min(burst, left + (now - at) * rate)
            if left < min(size, burst):
                self._buckets[tenant] = left, now
                raise _refusal(rate, (min(size, burst) - left) / rate, HELD_SECONDS)
            if len(self._buckets) >= _MANY:
                self._forget_full(now)
            self._buckets[tenant] = left - size, now

    def _forget_full(self, now: float) -> None:
        """Forget tenants whose bucket is full by now: many names must not take memory for ever."""
        for tenant, (left, at) in list(self._buckets.items()):
            limits = self._limits_of(tenant)
            rate = limits.ingest_rate or 0
            if left + (now - at) * rate >= _burst(limits, rate):
                del self._buckets[tenant]


class Meter(Protocol):
    """Buckets of time by tenant that several processes share."""

    def take(self, tenant: str, cost_ns: int, room_ns: int, now_ns: int) -> int:
        """Take time; returns 0, or the nanoseconds to wait before the next attempt. Raises StoreError."""


class SharedRates:
    """Buckets of bytes by tenant, shared by all processes of a store; safe to use from any thread.

    A tenant without a rate costs nothing. Where the store does not answer, requests pass.
    """

    def __init__(
        self, limits_of: Callable[[str], TenantLimits], meter: Meter, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._limits_of = limits_of
        self._meter = meter
        self._clock = clock

    def take(self, tenant: str, size: int) -> None:
        """Take the bytes of a request from the tenant's bucket, as IngestRates does; raises RateLimited."""
        limits = self._limits_of(tenant)
        if limits.ingest_rate is None:
            return
        rate = limits.ingest_rate
        cost, room = (bytes_ * _SECOND_NS // rate for bytes_ in (size, _burst(limits, rate)))
        try:
            with limited(_METER_SECONDS):
                wait = self._meter.take(tenant, cost, room, self._clock())
        except StoreError as error:
            _log.warning("rate of a tenant not checked", extra={"tenant": tenant, "reason": str(error)})
            return
        if wait:
            raise _refusal(rate, wait / _SECOND_NS)


def _burst(limits: TenantLimits, rate: int) -> int:
    return limits.ingest_burst or rate * _BURST_SECONDS


def _refusal(rate: int, seconds: float, held_seconds: float = 0.0) -> RateLimited:
    retry = min(max(math.ceil(seconds), 1), _LONGEST_RETRY)
    message = f"the tenant sends more than {rate} bytes a second: send it again after {retry} s"
    return RateLimited(message, retry, held_seconds)
