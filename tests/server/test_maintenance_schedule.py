"""Which days maintenance looks at, and what a look costs."""

import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from spanlake.server.maintenance import Maintenance, MaintenancePolicy
from spanlake.store.blocks.block import DaySummary
from spanlake.store.days import DAY_NS, utc_day
from spanlake.store.index.base import Index
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.clock import Reading
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.garbage import Collected
from spanlake.store.maintenance.retention import Removed
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.telemetry.prometheus import Metrics
from tests.patches import patch_here
from tests.store.index.test_index import block

TODAY = date(2026, 11, 22)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, date]]:
    """The days that are planned for, which all have nothing to merge."""
    planned: list[tuple[str, date]] = []

    def plan(_: Compactor, tenant: str, day: date) -> list[object]:
        planned.append((tenant, day))
        return []

    monkeypatch.setattr(Compactor, "plan", plan)
    return planned


def maintenance_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summary: list[DaySummary], policy: MaintenancePolicy | None = None
) -> Maintenance:
    index = SqliteIndex(tmp_path / "index.sqlite")
    monkeypatch.setattr(index, "summary", lambda: summary)
    return Maintenance(LocalObjects(tmp_path / "objects"), index, policy or MaintenancePolicy(), Metrics())


class CountedSummary(list[DaySummary]):
    """A summary that counts how often one of its entries is looked at."""

    looks = 0

    def __iter__(self) -> Iterator[DaySummary]:
        for each in super().__iter__():
            self.looks += 1
            yield each


def test_maintenance_looks_at_each_of_many_tenants_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planned: list[tuple[str, date]]
) -> None:
    tenants = 2_000
    summary = CountedSummary(DaySummary(f"tenant-{number}", TODAY, 0, 1, 1, 100) for number in range(tenants))
    maintenance = maintenance_of(tmp_path, monkeypatch, summary)
    maintenance._compact()
    maintenance._compact()
    assert len(planned) == tenants, "once each"
    assert summary.looks <= 10 * tenants, "not each with each"


def test_maintenance_plans_changed_day_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planned: list[tuple[str, date]]
) -> None:
    summary = [DaySummary(tenant, TODAY, 0, 1, 1, 100) for tenant in "abc"]
    maintenance = maintenance_of(tmp_path, monkeypatch, summary)
    maintenance._compact()
    summary[1] = DaySummary("b", TODAY, 0, 2, 2, 200)
    maintenance._compact()
    assert planned[3:] == [("b", TODAY)]


def test_maintenance_plans_unchanged_day_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planned: list[tuple[str, date]]
) -> None:
    summary = [DaySummary("a", TODAY, 0, 1, 1, 100)]
    policy = MaintenancePolicy(plan_seconds=60, most_plan_seconds=600)
    maintenance = maintenance_of(tmp_path, monkeypatch, summary, policy)
    clock = time.monotonic()
    patch_here(monkeypatch, time, "monotonic", lambda: clock)
    for _ in range(60):
        maintenance._compact()
        clock += 60
    assert len(planned) == 1 + 4 + 4, "after 0, 1, 3, 7 and 15 minutes, then every ten"


def test_maintenance_removes_by_the_time_that_it_has_found_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock may jump in the middle of a task."""
    now = time.time_ns()
    maintenance = maintenance_of(tmp_path, monkeypatch, [], MaintenancePolicy(retention=timedelta(days=4)))
    maintenance._index.add([block("1", start_ns=now)], {})
    maintenance._remove()
    removed_at: list[int] = []
    collected_at: list[int] = []

    def expire(*given: Any) -> Removed:
        removed_at.append(given[-1])
        return Removed()

    monkeypatch.setattr("spanlake.server.maintenance.check_identity", lambda *_: None)
    monkeypatch.setattr("spanlake.server.maintenance.expire_by_age", expire)

    def collect(_: Objects, __: Index, now_ns: int, *, oldest: date, **_more: object) -> Collected:
        collected_at.append(now_ns)
        assert oldest == utc_day(now - 4 * DAY_NS)
        return Collected(Removed(), 0)

    monkeypatch.setattr("spanlake.server.maintenance.collect_garbage", collect)
    for task in (maintenance._remove, maintenance._collect):
        readings = map(Reading, chain([now], repeat(now + 365 * DAY_NS)))
        monkeypatch.setattr(maintenance._clock, "read", readings.__next__)
        task()
    assert removed_at == collected_at == [now]
