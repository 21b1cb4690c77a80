"""The first requests after a quiet second are told from those that follow."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event

import pytest

from spanlake.ingest.errors import Draining, RateLimited
from spanlake.ingest.group_commit import _FIRST, _QUIET_SECONDS, GroupCommit, GroupPolicy, Lanes, QuietSpells
from spanlake.ingest.request import Format, Outcome, Receipt, Request
from spanlake.ingest.tenant_work import TenantWork


def test_first_requests_after_a_quiet_spell_are_early() -> None:
    now = 100.0
    spells = QuietSpells(lambda: now)
    assert [spells.come() for _ in range(_FIRST + 2)] == [True] * _FIRST + [False] * 2
    for _ in range(5):  # never quiet for long enough
        now += _QUIET_SECONDS * 0.9
        assert not spells.come()
    now += _QUIET_SECONDS
    assert [spells.come() for _ in range(_FIRST + 1)] == [True] * _FIRST + [False]


PATIENCE = 20  # seconds a test waits for what must come
NEVER = 3600.0  # a linger that no test sits out
USUAL = GroupPolicy()


class Store:
    """A Commit that keeps what it is given, and can be held up."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, list[bytes]]] = []
        self.entered: list[Event] = [Event() for _ in range(20)]
        self.open = Event()
        self.open.set()

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        bodies = [request.body for request in requests]
        self.groups.append((tenant, bodies))
        self.entered[len(self.groups) - 1].set()
        assert self.open.wait(PATIENCE)
        return [ValueError(body.decode()) if body.startswith(b"bad") else Receipt(len(body)) for body in bodies]

    def wait_for_group(self, number: int) -> None:
        assert self.entered[number - 1].wait(PATIENCE)


@dataclass
class Held:
    """A group commit that is storing its first request until ``release``."""

    group: GroupCommit
    store: Store
    first: "Future[Receipt] | None" = field(default=None)

    def hold(self, tenant: str, body: bytes) -> None:
        """Return once the request is being stored."""
        self.store.open.clear()
        self.first = self.group.submit(tenant, body)
        self.store.wait_for_group(1)

    def submit(self, *bodies: bytes, tenant: str = "t") -> "list[Future[Receipt]]":
        """Submit requests of a tenant."""
        return [self.group.submit(tenant, body) for body in bodies]

    def release(self) -> None:
        """Let the store go on."""
        self.store.open.set()

    def finish(self) -> list[tuple[str, list[bytes]]]:
        """Let the store go on and wait for the end; returns the groups after the first."""
        self.release()
        self.group.close()
        return self.store.groups[1:]


Hold = Callable[..., Held]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Starts group commits that are held up while they store a first request."""
    every: list[Held] = []

    def start(policy: GroupPolicy = USUAL, tenant: str = "t", body: bytes = b"1") -> Held:
        store = Store()
        held = Held(GroupCommit(store, policy), store)
        every.append(held)
        held.group.start()
        held.hold(tenant, body)
        return held

    yield start
    for held in every:
        held.finish()


def test_group_commit_does_not_delay_lone_request() -> None:
    group = GroupCommit(Store(), GroupPolicy(linger_seconds=NEVER))
    group.start()
    for _ in range(3):
        assert group.submit("t", b"four").result(PATIENCE) == Receipt(4)
    group.close()


def test_group_commit_groups_requests_that_arrive_during_a_commit(hold: Hold) -> None:
    held = hold()
    others = held.submit(b"2", b"3", b"4")
    held.release()
    assert held.first is not None
    assert [answer.result(PATIENCE) for answer in [held.first, *others]] == [Receipt(1)] * 4
    assert held.store.groups == [("t", [b"1"]), ("t", [b"2", b"3", b"4"])]


def test_group_commit_waits_for_senders_just_answered(hold: Hold) -> None:
    held = hold(GroupPolicy(linger_seconds=NEVER))
    others = held.submit(b"2", b"3")
    held.release()
    assert held.first is not None
    held.first.result(PATIENCE)
    again = held.submit(b"4")
    assert [answer.result(PATIENCE) for answer in [*others, *again]] == [Receipt(1)] * 3
    assert held.finish() == [("t", [b"2", b"3", b"4"])]


def test_group_commit_waits_no_longer_than_linger(hold: Hold) -> None:
    held = hold(GroupPolicy(linger_seconds=0.001))
    others = held.submit(b"2", b"3")
    held.release()
    assert [answer.result(PATIENCE) for answer in others] == [Receipt(1)] * 2
    assert held.submit(b"alone")[0].result(PATIENCE) == Receipt(5)


def test_group_commit_runs_full_group_beside_a_running_group(hold: Hold) -> None:
    held = hold(GroupPolicy(parallel_bytes=10))
    held.submit(b"12345", b"12345")
    held.store.wait_for_group(2)
    assert held.store.groups[1] == ("t", [b"12345", b"12345"])


def test_group_commit_keeps_tenants_apart(hold: Hold) -> None:
    held = hold(tenant="a")
    held.submit(b"2", tenant="b")
    held.store.wait_for_group(2)
    assert held.finish() == [("b", [b"2"])]


@pytest.mark.parametrize(
    ("policy", "groups"),
    [
        (GroupPolicy(max_bytes=6), [[b"123", b"123"], [b"123", b"123"], [b"123"]]),
        (GroupPolicy(max_bytes=2), [[b"123"]] * 5),
        (GroupPolicy(max_requests=3), [[b"123"] * 3, [b"123"] * 2]),
    ],
)
def test_group_commit_bounds_groups(hold: Hold, policy: GroupPolicy, groups: list[list[bytes]]) -> None:
    held = hold(GroupPolicy(NEVER, policy.max_bytes, policy.max_requests, workers=1))
    held.submit(*[b"123"] * 5)
    assert [bodies for _, bodies in held.finish()] == groups


def test_group_commit_bounds_concurrent_commits(hold: Hold) -> None:
    held = hold(GroupPolicy(work_bytes=3), "a", b"123")
    (waiting,) = held.submit(b"4", tenant="b")
    assert len(held.store.groups) == 1
    held.release()
    assert waiting.result(PATIENCE) == Receipt(1)


def test_group_commit_answers_each_sender_for_its_request(hold: Hold) -> None:
    held = hold()
    good, bad = held.submit(b"good", b"bad one")
    held.release()
    assert good.result(PATIENCE) == Receipt(4)
    with pytest.raises(ValueError, match="bad one"):
        bad.result(PATIENCE)


def test_group_commit_fails_only_the_group_whose_commit_raises() -> None:
    def commit(_: str, requests: Sequence[Request]) -> list[Outcome]:
        if requests[0].body == b"fatal":
            raise RuntimeError("no")
        return [Receipt(1)]

    group = GroupCommit(commit, GroupPolicy(workers=1))
    group.start()
    with pytest.raises(RuntimeError, match="no"):
        group.submit("t", b"fatal").result(PATIENCE)
    assert group.submit("t", b"fine").result(PATIENCE) == Receipt(1)
    group.close()


def test_group_commit_drops_request_of_cancelled_sender(hold: Hold) -> None:
    held = hold()
    kept, dropped = held.submit(b"kept", b"dropped")
    assert dropped.cancel()
    held.release()
    kept.result(PATIENCE)
    assert held.finish() == [("t", [b"kept"])]


def test_group_commit_stores_nothing_when_all_senders_cancelled(hold: Hold) -> None:
    held = hold()
    assert all(answer.cancel() for answer in held.submit(b"1", b"2"))
    assert held.finish() == []


def test_group_commit_lets_no_request_overtake_a_waiting_large_request(hold: Hold) -> None:
    held = hold(GroupPolicy(work_bytes=4), tenant="a")
    held.submit(b"12345678", tenant="b")
    held.submit(b"1", tenant="c")
    assert [tenant for tenant, _ in held.finish()] == ["b", "c"]


def test_group_commit_close_stores_waiting_requests_and_refuses_new_requests(hold: Hold) -> None:
    held = hold(GroupPolicy(linger_seconds=NEVER, workers=1))
    answers = [*held.submit(b"2", b"3"), *held.submit(b"4", tenant="u")]
    held.finish()
    assert [answer.result(0) for answer in answers] == [Receipt(1)] * 3
    with pytest.raises(Draining):
        held.submit(b"5")


def test_group_commit_forgets_idle_tenants() -> None:
    group = GroupCommit(lambda _, requests: [Receipt(1)] * len(requests), GroupPolicy())
    group.start()
    answers = [group.submit(f"t{number}", b"1") for number in range(1000)]
    assert all(answer.result(PATIENCE) == Receipt(1) for answer in answers)
    group.close()
    assert len(group._queues) <= 256


class _Work(TenantWork):
    """Work of tenants that is set by a test."""

    def __init__(self, paused: str, seconds: float) -> None:
        super().__init__()
        self._paused = paused
        self._seconds = seconds

    def pause(self, tenant: str) -> float:
        return self._seconds if tenant == self._paused else 0.0


def test_group_commit_stores_others_during_a_tenants_pause() -> None:
    store = Store()
    group = GroupCommit(store, GroupPolicy(), _Work("a", NEVER))
    group.start()
    group.submit("a", b"1").result(PATIENCE)
    waiting = group.submit("a", b"2")
    group.submit("b", b"3").result(PATIENCE)
    assert not waiting.done()
    group.close()
    assert waiting.result(0).accepted == 1
    assert store.groups == [("a", [b"1"]), ("b", [b"3"]), ("a", [b"2"])]


def test_group_commit_goes_on_after_a_pause() -> None:
    store = Store()
    group = GroupCommit(store, GroupPolicy(), _Work("a", 0.01))
    group.start()
    for _ in range(3):
        group.submit("a", b"1").result(PATIENCE)
    group.close()


def test_group_commit_refuses_a_paused_tenants_requests_beyond_a_size() -> None:
    group = GroupCommit(Store(), GroupPolicy(), _Work("a", NEVER))
    group.start()
    group.submit("a", b"1").result(PATIENCE)
    group.submit("a", bytes(4 << 20))
    with pytest.raises(RateLimited, match="again after 1 s"):
        group.submit("a", b"2")
    group.submit("b", b"3").result(PATIENCE)
    group.close()


def test_group_of_a_tenant_that_pauses_lets_those_of_others_run_first() -> None:
    store = Store()
    group = GroupCommit(store, GroupPolicy(yields_seconds=NEVER), _Work("a", 1e-9))
    group.start()
    group.submit("a", b"1").result(PATIENCE)
    store.open.clear()
    answers = [group.submit("b", b"2")]
    store.wait_for_group(2)
    answers += [group.submit("a", b"3"), group.submit("c", b"4")]
    store.wait_for_group(3)
    store.open.set()
    assert all(answer.result(PATIENCE) for answer in answers)
    group.close()
    assert [tenant for tenant, _ in store.groups] == ["a", "b", "c", "a"]


def test_group_of_a_tenant_that_pauses_keeps_no_other_from_a_worker() -> None:
    store = Store()
    group = GroupCommit(store, GroupPolicy(workers=2), _Work("a", 1e-9))
    group.start()
    group.submit("a", b"1").result(PATIENCE)
    store.open.clear()
    answers = [group.submit("a", b"2")]
    store.wait_for_group(2)
    answers += [group.submit("b", b"3"), group.submit("c", b"4")]
    store.wait_for_group(4)
    answers.append(group.submit("d", b"5"))  # waits for one of two workers
    store.open.set()
    assert all(answer.result(PATIENCE) for answer in answers)
    group.close()


SLOW = Format("slow", lambda _: [])


def test_large_requests_of_other_formats_keep_no_others_waiting() -> None:
    may_go_on = threading.Event()

    def commit(_: str, requests: Sequence[Request]) -> list[Outcome]:
        if any(request.format is SLOW and len(request.body) > 1 << 18 for request in requests):
            assert may_go_on.wait(60)
        return [Receipt(len(request.body)) for request in requests]

    lanes = Lanes(commit, GroupPolicy(0))
    lanes.start()
    large = [lanes.submit("t", bytes(1 << 19), SLOW) for _ in range(4)]
    assert lanes.submit("t", b"small", SLOW).result(60) == Receipt(5)
    assert lanes.submit("t", bytes(1 << 19)).result(60) == Receipt(1 << 19)
    assert not any(each.done() for each in large)
    may_go_on.set()
    assert [each.result(60) for each in large] == [Receipt(1 << 19)] * 4
    lanes.close()
    with pytest.raises(Draining):
        lanes.submit("t", bytes(1 << 19), SLOW)
