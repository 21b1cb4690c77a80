"""A clock that jumps is not believed at once; where the storage has a clock, that one counts."""

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from spanlake.server.maintenance import Maintenance, MaintenancePolicy
from spanlake.store.days import DAY_NS
from spanlake.store.index.base import Index
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.clock import MaintenanceClock, Reading, is_trusted, trusted_time
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.write import write_table
from spanlake.telemetry.prometheus import Metrics
from tests.cloud import Cloud
from tests.patches import patch_here
from tests.store.index.test_index import block
from tests.store.maintenance.day_of_blocks import TENANT, Lake
from tests.store.tables import HOUR, NOON, span_table

MINUTE = HOUR // 60


def test_is_trusted_while_the_clock_goes_on(index: Index) -> None:
    assert all(is_trusted(index, NOON + minute * MINUTE) for minute in range(3))
    assert is_trusted(index, NOON + DAY_NS)
    assert is_trusted(index, NOON + 2 * DAY_NS)


@pytest.mark.parametrize("days", [3, 365, 100_000])
def test_is_trusted_after_an_hour_of_a_clock_that_jumped(index: Index, days: int) -> None:
    assert is_trusted(index, NOON)
    ahead = NOON + days * DAY_NS
    assert not is_trusted(index, ahead)
    assert not is_trusted(index, ahead + 59 * MINUTE)
    assert is_trusted(index, ahead + HOUR)
    assert is_trusted(index, ahead + HOUR + MINUTE)


def test_is_trusted_counts_no_second_jump_as_the_hour_of_doubt(index: Index) -> None:
    assert is_trusted(index, NOON)
    assert not is_trusted(index, NOON + 100 * DAY_NS)
    assert not is_trusted(index, NOON + 365 * DAY_NS)
    assert not is_trusted(index, NOON + 365 * DAY_NS + 59 * MINUTE)
    assert is_trusted(index, NOON + 365 * DAY_NS + HOUR)


def test_is_trusted_at_once_when_the_jump_is_taken_back(index: Index) -> None:
    assert is_trusted(index, NOON)
    assert not is_trusted(index, NOON + 365 * DAY_NS)
    assert is_trusted(index, NOON + MINUTE)
    assert not is_trusted(index, NOON + 365 * DAY_NS + 2 * HOUR), "the doubt begins anew"


def test_is_trusted_compares_with_the_newest_day_where_no_run_is_on_record(index: Index) -> None:
    index.add([block("1", start_ns=NOON)], {})
    assert not is_trusted(index, NOON + 365 * DAY_NS)
    assert is_trusted(index, NOON + DAY_NS)


@dataclass
class Machine:
    """Both clocks of a machine on which a store is."""

    objects: Objects
    index: Index
    wall_ns: int = NOON
    monotonic: float = 50.0

    def process(self) -> MaintenanceClock:
        """The clock as a process that starts now has it."""
        return MaintenanceClock(self.objects, self.index, lambda: self.wall_ns, lambda: self.monotonic)

    def after(self, seconds: float, ahead: float = 0) -> None:
        """Let time pass, while the clock also jumps ahead."""
        self.monotonic += seconds
        self.wall_ns += int((seconds + ahead) * 10**9)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(LocalObjects(tmp_path), SqliteIndex(tmp_path / "index.sqlite"))


def test_read_allows_a_grace_once_the_clock_was_steady_for_so_long(machine: Machine) -> None:
    clock = machine.process()
    assert (clock.read().allows(600), clock.read().is_right) == (False, True)
    machine.after(599)
    assert not clock.read().allows(600)
    machine.after(1)
    assert clock.read().allows(600)
    assert not clock.read().allows(86_400)
    machine.after(3000)
    assert clock.read().allows(86_400), "an hour is enough"


@pytest.mark.parametrize("ahead", [90, 1800, 40 * 3600, 365 * 86_400])
def test_read_doubts_any_jump_ahead_for_an_hour(machine: Machine, ahead: float) -> None:
    """Also of less than two days, which no note in the index tells from a machine that was off."""
    clock = machine.process()
    clock.read()
    machine.after(7200)
    assert clock.read().allows(3600)
    machine.after(60, ahead)
    assert not clock.read().is_right
    machine.after(3599)
    assert not clock.read().is_right
    machine.after(1)
    assert clock.read().allows(3600)


def test_read_allows_no_grace_after_a_clock_was_set_back_and_right(machine: Machine) -> None:
    """Blocks that were dated meanwhile look older by hours than they are."""
    clock = machine.process()
    clock.read()
    machine.after(7200)
    machine.after(60, -5 * 3600)
    assert clock.read().is_right
    machine.after(60, 5 * 3600)
    assert not clock.read().allows(10)


def test_read_follows_a_clock_that_is_slewed(machine: Machine) -> None:
    clock = machine.process()
    for _ in range(120):
        clock.read()
        machine.after(60, 0.03)
    assert clock.read().allows(3600)


@pytest.mark.parametrize(("pause", "is_allowed"), [(200, True), (400, False)])
def test_read_goes_on_after_a_restart_of_minutes(machine: Machine, pause: float, is_allowed: bool) -> None:
    clock = machine.process()
    for _ in range(120):
        clock.read()
        machine.after(60)
    machine.monotonic = 3.0  # the machine has started anew
    machine.wall_ns += int(pause * 10**9)
    assert machine.process().read().allows(3600) is is_allowed


def test_read_takes_the_time_of_a_storage_that_has_a_clock(cloud: Cloud, tmp_path: Path) -> None:
    s3, local = S3Objects(S3Location(cloud.bucket())), LocalObjects(tmp_path)
    index = DynamoIndex(cloud.table())
    for objects, any_index in ((s3, index), (local, index), (s3, SqliteIndex(tmp_path / "index.sqlite"))):
        reading = Machine(objects, any_index, wall_ns=NOON + 400 * DAY_NS).process().read()
        assert abs(reading.now_ns - time.time_ns()) < 60 * 10**9
        assert reading.allows(10**9)


# Every deletion of a server's maintenance, with a clock that has jumped


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=1.9), timedelta(days=365)])
def test_maintenance_deletes_nothing_by_a_clock_that_jumped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """Of retention, replaced blocks, and objects whose entries are still to come."""
    with Lake(tmp_path) as lake:
        now = time.time_ns()
        lake.add(span_table([{"start_time_unix_nano": now - 3 * DAY_NS}]))
        for number in range(2):
            lake.add(span_table([{"start_time_unix_nano": now - number}]))
        lake.settle()
        (coming,) = write_table(TENANT, span_table([{"start_time_unix_nano": now}]), b"coming", now)
        lake.objects.put(coming.block.path, coming.data)
        before = {info.path for info in lake.objects.list("spans/")}
        policy = MaintenancePolicy(retention=timedelta(days=3.5), garbage_share=1)
        maintenance = Maintenance(lake.objects, lake.index, policy, Metrics())
        clock, start, monotonic = maintenance._clock, time.time_ns(), time.monotonic()
        for hours in (0, 2):
            monkeypatch.setattr(clock, "_monotonic", lambda hours=hours: monotonic + 3600 * hours)
            monkeypatch.setattr(clock, "_wall", lambda hours=hours: start + hours * HOUR)
            clock.read()
        monkeypatch.setattr(clock, "_wall", lambda: start + 2 * HOUR + ahead // timedelta(microseconds=1) * 1000)
        maintenance._remove()
        maintenance._collect()
        assert {info.path for info in lake.objects.list()} >= before
        assert len(lake.live()) == 2
        monkeypatch.undo()


def test_maintenance_on_aws_deletes_by_the_clock_of_dynamodb(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.__new__(Lake)
    lake.objects = S3Objects(S3Location(cloud.bucket()))  # type: ignore[assignment]
    lake.index = DynamoIndex(cloud.table())  # type: ignore[assignment]
    lake._writes = 0
    now = time.time_ns()
    lake.add(span_table([{"start_time_unix_nano": now - 3 * DAY_NS}]))
    patch_here(monkeypatch, time, "time_ns", lambda: now + 365 * DAY_NS)
    patch_here(monkeypatch, time, "time", lambda: now / 10**9 + 365 * 86_400)
    policy = MaintenancePolicy(retention=timedelta(days=3.5), garbage_share=1)
    maintenance = Maintenance(lake.objects, lake.index, policy, Metrics())
    for _ in range(2):
        maintenance._remove()
        maintenance._collect()
    assert len(lake.live()) == 1
    lake.index.replace([], lake.live())
    assert lake.index.replaced_before(now // 10**9 + 60), "dated by DynamoDB"
    patch_here(monkeypatch, DynamoIndex, "service_time", lambda _: now // 10**9 + 700)
    maintenance._remove()
    assert not list(lake.objects.list("spans/"))


def test_readers_go_by_the_clock_of_this_machine_while_maintenance_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, index = LocalObjects(tmp_path), SqliteIndex(tmp_path / "index.sqlite")
    assert is_trusted(index, NOON)
    patch_here(monkeypatch, time, "time_ns", lambda: NOON + 2 * DAY_NS)
    assert trusted_time(objects, index) == NOON + 2 * DAY_NS
    patch_here(monkeypatch, time, "time_ns", lambda: NOON + 3 * DAY_NS)
    assert trusted_time(objects, index) is None
    assert not is_trusted(index, NOON + 3 * DAY_NS)
    assert is_trusted(index, NOON + 3 * DAY_NS + HOUR)
    assert trusted_time(objects, index) == NOON + 3 * DAY_NS


def test_readers_go_by_the_clock_of_dynamodb(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = DynamoIndex(cloud.table())
    now = time.time_ns()
    patch_here(monkeypatch, time, "time_ns", lambda: now + 365 * DAY_NS)
    found = trusted_time(LocalObjects(tmp_path), index)
    assert found is not None
    assert abs(found - now) < DAY_NS


def test_reading_needs_a_clock_that_is_right_for_any_grace() -> None:
    assert Reading(NOON).allows(86_400)
    assert not Reading(NOON, is_right=False).allows(0)
