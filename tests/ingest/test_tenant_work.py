"""Pauses of a tenant that takes most of the processor time."""

import pytest

from spanlake.ingest.tenant_work import TenantWork


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work(clock: Clock) -> TenantWork:
    return TenantWork(clock)


def test_lone_tenant_never_pauses(work: TenantWork) -> None:
    work.note("a")
    work.charge("a", 60.0)
    assert work.pause("a") == 0
    assert not work.has_another("a")


def test_tenant_pauses_after_most_of_the_time_while_another_is_active(work: TenantWork) -> None:
    work.note("b")
    work.charge("a", 0.5)
    work.charge("b", 0.01)
    assert 0 < work.pause("a") <= 1.0
    assert work.pause("b") == 0


def test_tenant_pauses_no_more_once_others_are_idle(work: TenantWork, clock: Clock) -> None:
    work.note("b")
    work.charge("a", 5.0)
    clock.now = 2.5
    work.charge("a", 5.0)
    assert work.pause("a") == 0


def test_tenant_with_a_rate_never_pauses(clock: Clock) -> None:
    work = TenantWork(clock, lambda tenant: tenant == "a")
    for tenant in "abc":
        work.note(tenant)
    work.charge("a", 5.0)
    assert work.pause("a") == 0
    work.charge("b", 50.0)
    assert work.pause("b") > 0


def test_equal_tenants_do_not_pause(work: TenantWork) -> None:
    for tenant in "ab":
        work.note(tenant)
        work.charge(tenant, 0.9)
    assert [work.pause(tenant) for tenant in "ab"] == [0, 0]


def test_more_work_means_a_longer_pause_up_to_a_limit(work: TenantWork) -> None:
    work.note("b")
    pauses = []
    for _ in range(5):
        work.charge("a", 0.4)
        pauses.append(work.pause("a"))
    assert pauses == sorted(pauses)
    assert pauses[-1] == 1.0


def test_tenant_has_less_room_the_more_others_take(work: TenantWork) -> None:
    for number in range(20):
        work.note(f"{number}")
    work.charge("a", 0.15)
    before = work.pause("a")
    for number in range(20):
        work.charge(f"{number}", 0.03)
    assert before == 0
    assert work.pause("a") > 0


def test_several_names_of_one_asker_are_not_others(work: TenantWork) -> None:
    work.note("a")
    work.note("b")
    assert not work.has_another("a", "b")
    assert work.has_another("a")


def test_number_of_remembered_tenants_is_bounded(work: TenantWork) -> None:
    for number in range(3000):
        work.charge(f"{number}", 1.0)
    assert work.recent("0") == 0
    assert work.recent("2999") == 1
