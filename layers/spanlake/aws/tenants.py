"""The daily look at tenants: renews times to live, removes days that are too old, and has the others compacted.

The tenants are shared out, so that no invocation has to look at all of them, and what one has no time for it hands on.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

from spanlake.aws.compaction import Compaction, DeadlineExceeded, TenantsUnit, Units
from spanlake.aws.environment import LambdaStore
from spanlake.store.maintenance.retention import expire_by_age
from spanlake.store.tenant_limits import IndexedLimits, RefreshedLimits

_AT_ONCE = 50  # tenants; their names fit in an event of 256 KB, and their days, if 30 each, take some 15 s

_log = logging.getLogger(__name__)


class Tenants:
    """Looks at tenants, or has others do so."""

    def __init__(
        self, store: LambdaStore, retention: timedelta | None, compaction: Compaction, units: Units | None
    ) -> None:
        self._store = store
        self._retention = retention
        self._limits = RefreshedLimits(IndexedLimits(store.index))
        self._compaction = compaction
        self._units = units

    def hand_out(self, *, removes: bool) -> None:
        """Look at all tenants, in other invocations where possible; raises DeadlineExceeded and StoreError."""
        for tenants in _shared(self._store.index.tenants()):
            unit = TenantsUnit(tuple(tenants), removes)
            if self._units is None:
                self.run(unit)
            else:
                self._units.send(unit)

    def run(self, unit: TenantsUnit) -> None:
        """Look at the tenants of a unit, or hand on those for which there is no time.

        A tenant or day that cannot be looked at holds up no other; the first such error is raised when all else is
        done. Raises DeadlineExceeded and StoreError.
        """
        failures: list[Exception] = []
        for done, tenant in enumerate(unit.tenants):
            try:
                self._look(tenant, unit, failures)
            except DeadlineExceeded:
                following = unit.rest(done)
                if self._units is None or following is None:
                    raise
                self._units.send(following)
                break
        if failures:
            raise failures[0]

    def _look(self, tenant: str, unit: TenantsUnit, failures: list[Exception]) -> None:
        try:
            self._compaction.deadline.check()
            self._store.index.keep_tenant_for(self._retention, tenant)
            self._expire(tenant, unit)
            days = self._store.index.days(tenant)
        except DeadlineExceeded:
            raise
        except Exception as error:  # noqa: BLE001, told of in the end
            _log.exception("tenant could not be looked at", extra={"tenant": tenant})
            failures.append(error)
            return
        for day in reversed(days):
            try:
                self._compaction.hand_out([(tenant, day)])
            except DeadlineExceeded:
                raise
            except Exception as error:  # noqa: BLE001, told of in the end
                _log.exception("day could not be planned", extra={"tenant": tenant, "date": day.isoformat()})
                failures.append(error)

    def _expire(self, tenant: str, unit: TenantsUnit) -> None:
        retention = self._limits.current.retention_of(tenant, self._retention)
        if retention is None or not unit.removes:
            return
        time_ = self._compaction.clock.read()
        if time_.is_right:
            objects, index = self._store.objects, self._store.index
            removed = expire_by_age(objects, index, retention, time_.now_ns, [tenant])
            self._compaction.note_removed("age", removed)


def _shared(tenants: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(tenants), _AT_ONCE):
        yield tenants[first : first + _AT_ONCE]
