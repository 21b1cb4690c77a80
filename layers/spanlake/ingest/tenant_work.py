"""Pauses of a tenant that takes most of the processor time while others are active.

Requests of all tenants share one interpreter. A tenant that sends as fast as it is answered would have others wait
behind its requests; it waits between its own instead, so that most of the time none of them runs.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import exp, log
from threading import Lock

_MEMORY_SECONDS = 1.0  # after which time that was taken counts 1/e
_ACTIVE_SECONDS = 2.0  # for which a tenant is active after a request or a query
_ROOM = 0.2  # of a processor, which one tenant may take where others leave so much of it
_TIMES_OTHERS = 2.0  # what the others take on average, so much a tenant may take in any case
_LEAST = 0.02  # of a processor, which is left to any tenant
_LONGEST_PAUSE = 1.0  # seconds
_MOST_TENANTS = 1000  # that are remembered
_MOST_COUNTED = 64  # other tenants


@dataclass(slots=True)
class _Tenant:
    """Processor time that a tenant has taken lately."""

    seconds: float = 0.0
    at: float = 0.0
    """The moment at which it was so much."""
    active: float = 0.0
    """The moment of the last request or query."""

    def left(self, now: float) -> float:
        """Return the time that still counts."""
        return self.seconds * exp((self.at - now) / _MEMORY_SECONDS)


class TenantWork:
    """Processor time by tenant, of one process; safe to use from any thread."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, has_rate: Callable[[str], bool] = lambda _: False
    ) -> None:
        """``has_rate`` is true for tenants that never pause, since an operator has set the rate at which they send."""
        self._clock = clock
        self._has_rate = has_rate
        self._lock = Lock()
        self._all = _Tenant()
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()  # those that were active last at the end

    def note(self, tenant: str) -> None:
        """Note that a tenant sends or asks."""
        with self._lock:
            self._noted(tenant, self._clock())

    def charge(self, tenant: str, seconds: float) -> None:
        """Count processor time that was taken for a tenant."""
        with self._lock:
            now = self._clock()
            for one in (self._tenants.get(tenant) or self._noted(tenant, now), self._all):
                one.seconds, one.at = one.left(now) + seconds, now

    @contextmanager
    def charged(self, tenant: str) -> Iterator[None]:
        """Count the processor time of this thread until the block ends."""
        begun = time.thread_time()
        try:
            yield
        finally:
            self.charge(tenant, time.thread_time() - begun)

    def recent(self, tenant: str) -> float:
        """Return the seconds that a tenant has taken lately."""
        with self._lock:
            known = self._tenants.get(tenant)
            return known.left(self._clock()) if known else 0.0

    def has_another(self, *tenants: str) -> bool:
        """True where a tenant other than these has sent or asked a moment ago."""
        with self._lock:
            return self._others(tenants, self._clock()) > 0

    def pause(self, tenant: str) -> float:
        """Return the seconds after which the next request of a tenant should be stored; 0 unless others are active."""
        with self._lock:
            now = self._clock()
            known, others = self._tenants.get(tenant), self._others((tenant,), now)
            if known is None or not others:
                return 0.0
            taken = known.left(now)
            by_others = max(self._all.left(now) - taken, 0.0)
            allowed = max(_ROOM - by_others, _TIMES_OTHERS * by_others / others, _LEAST) * _MEMORY_SECONDS
        if taken <= allowed or self._has_rate(tenant):
            return 0.0
        return min(_MEMORY_SECONDS * log(taken / allowed), _LONGEST_PAUSE)

    def _noted(self, tenant: str, now: float) -> _Tenant:
        known = self._tenants.get(tenant)
        if known is None:
            known = self._tenants[tenant] = _Tenant(at=now)
            if len(self._tenants) > _MOST_TENANTS:
                self._tenants.popitem(last=False)
        known.active = now
        self._tenants.move_to_end(tenant)
        return known

    def _others(self, tenants: Collection[str], now: float) -> int:
        """Count the other tenants that are active, up to a number."""
        count = 0
        for name, one in islice(reversed(self._tenants.items()), _MOST_COUNTED):
            if now - one.active > _ACTIVE_SECONDS:
                break
            count += name not in tenants
        return count
