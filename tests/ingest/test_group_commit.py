"""Group commit: who shares a block with whom, and what each sender hears."""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Event

import pytest

from spanlake.ingest.group_commit import GroupCommit, GroupPolicy
from spanlake.ingest.request import Draining, Outcome, Receipt, Request

PATIENCE = 20  # seconds a test waits for what must come
NEVER = 3600.0  # a linger that no test sits out


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


def started(store: Store, policy: GroupPolicy | None = None) -> GroupCommit:
    group = GroupCommit(store, policy or GroupPolicy())
    group.start()
    return group


def submit_all(group: GroupCommit, tenant: str, *bodies: bytes) -> "list[Future[Receipt]]":
    return [group.submit(tenant, body) for body in bodies]


def test_group_commit_does_not_delay_lone_request() -> None:
    group = started(Store(), GroupPolicy(linger_seconds=NEVER))
    for _ in range(3):
        assert group.submit("t", b"four").result(PATIENCE) == Receipt(4)
    group.close()


def test_group_commit_groups_requests_that_arrive_during_a_commit() -> None:
    store = Store()
    store.open.clear()
    group = started(store)
    first = group.submit("t", b"1")
    store.wait_for_group(1)
    others = submit_all(group, "t", b"2", b"3", b"4")
    store.open.set()
    assert [answer.result(PATIENCE) for answer in [first, *others]] == [Receipt(1)] * 4
    assert store.groups == [("t", [b"1"]), ("t", [b"2", b"3", b"4"])]
    group.close()


def test_group_commit_waits_for_senders_just_answered() -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(linger_seconds=NEVER))
    first = group.submit("t", b"1")
    store.wait_for_group(1)
    others = submit_all(group, "t", b"2", b"3")
    store.open.set()
    first.result(PATIENCE)
    again = group.submit("t", b"4")
    assert [answer.result(PATIENCE) for answer in [*others, again]] == [Receipt(1)] * 3
    assert store.groups[1:] == [("t", [b"2", b"3", b"4"])]
    group.close()


def test_group_commit_waits_no_longer_than_linger() -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(linger_seconds=0.001))
    group.submit("t", b"1")
    store.wait_for_group(1)
    others = submit_all(group, "t", b"2", b"3")
    store.open.set()
    assert [answer.result(PATIENCE) for answer in others] == [Receipt(1)] * 2
    assert group.submit("t", b"alone").result(PATIENCE) == Receipt(5)
    group.close()


def test_group_commit_runs_full_group_beside_a_running_group() -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(parallel_bytes=10))
    submit_all(group, "t", b"1")
    store.wait_for_group(1)
    submit_all(group, "t", b"12345", b"12345")
    store.wait_for_group(2)
    assert store.groups[1] == ("t", [b"12345", b"12345"])
    store.open.set()
    group.close()


def test_group_commit_keeps_tenants_apart() -> None:
    store = Store()
    store.open.clear()
    group = started(store)
    group.submit("a", b"1")
    store.wait_for_group(1)
    group.submit("b", b"2")
    store.wait_for_group(2)
    store.open.set()
    group.close()
    assert store.groups == [("a", [b"1"]), ("b", [b"2"])]


@pytest.mark.parametrize(
    ("policy", "groups"),
    [
        (GroupPolicy(max_bytes=6), [[b"123", b"123"], [b"123", b"123"], [b"123"]]),
        (GroupPolicy(max_bytes=2), [[b"123"]] * 5),
        (GroupPolicy(max_requests=3), [[b"123"] * 3, [b"123"] * 2]),
    ],
)
def test_group_commit_bounds_groups(policy: GroupPolicy, groups: list[list[bytes]]) -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(NEVER, policy.max_bytes, policy.max_requests, workers=1))
    group.submit("t", b"0")
    store.wait_for_group(1)
    submit_all(group, "t", *[b"123"] * 5)
    store.open.set()
    group.close()
    assert [bodies for _, bodies in store.groups[1:]] == groups


def test_group_commit_bounds_concurrent_commits() -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(work_bytes=3))
    group.submit("a", b"123")
    store.wait_for_group(1)
    waiting = group.submit("b", b"4")
    assert len(store.groups) == 1
    store.open.set()
    assert waiting.result(PATIENCE) == Receipt(1)
    group.close()


def test_group_commit_answers_each_sender_for_its_request() -> None:
    store = Store()
    store.open.clear()
    group = started(store)
    group.submit("t", b"0")
    store.wait_for_group(1)
    good, bad = submit_all(group, "t", b"good", b"bad one")
    store.open.set()
    assert good.result(PATIENCE) == Receipt(4)
    with pytest.raises(ValueError, match="bad one"):
        bad.result(PATIENCE)
    group.close()


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


def test_group_commit_drops_request_of_cancelled_sender() -> None:
    store = Store()
    store.open.clear()
    group = started(store)
    group.submit("t", b"0")
    store.wait_for_group(1)
    kept, dropped = submit_all(group, "t", b"kept", b"dropped")
    assert dropped.cancel()
    store.open.set()
    kept.result(PATIENCE)
    group.close()
    assert store.groups[1:] == [("t", [b"kept"])]


def test_group_commit_stores_nothing_when_all_senders_cancelled() -> None:
    store = Store()
    store.open.clear()
    group = started(store)
    group.submit("t", b"0")
    store.wait_for_group(1)
    assert all(answer.cancel() for answer in submit_all(group, "t", b"1", b"2"))
    store.open.set()
    group.close()
    assert len(store.groups) == 1


def test_group_commit_lets_no_request_overtake_a_waiting_large_request() -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(work_bytes=4))
    group.submit("a", b"1")
    store.wait_for_group(1)
    group.submit("b", b"12345678")
    group.submit("c", b"1")
    store.open.set()
    group.close()
    assert [tenant for tenant, _ in store.groups] == ["a", "b", "c"]


def test_group_commit_close_stores_waiting_requests_and_refuses_new_requests() -> None:
    store = Store()
    store.open.clear()
    group = started(store, GroupPolicy(linger_seconds=NEVER, workers=1))
    group.submit("t", b"1")
    store.wait_for_group(1)
    answers = [*submit_all(group, "t", b"2", b"3"), group.submit("u", b"4")]
    store.open.set()
    group.close()
    assert [answer.result(0) for answer in answers] == [Receipt(1)] * 3
    with pytest.raises(Draining):
        group.submit("t", b"5")


def test_group_commit_forgets_idle_tenants() -> None:
    group = GroupCommit(lambda _, requests: [Receipt(1)] * len(requests), GroupPolicy())
    group.start()
    answers = [group.submit(f"t{number}", b"1") for number in range(1000)]
    assert all(answer.result(PATIENCE) == Receipt(1) for answer in answers)
    group.close()
    assert len(group._queues) <= 256
