"""Retries: the same request is stored once, whoever sends it and whenever."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import time_ns

from hypothesis import given
from hypothesis import strategies as st

from spanlake.ingest.deduplication import Deleted, RequestDeduplicator
from spanlake.ingest.request import Outcome, Receipt, Request
from spanlake.telemetry.prometheus import Metrics

PATIENCE = 20  # seconds

Requests = list[Request]


class Store:
    """A Commit that keeps what it is given, and fails at first for bodies that begin with ``f``."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, bytes]] = []
        self.failed: set[bytes] = set()

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        return [self._store(tenant, request.body) for request in requests]

    def _store(self, tenant: str, body: bytes) -> Outcome:
        if body.startswith(b"f") and body not in self.failed:
            self.failed.add(body)
            return OSError(body.decode())
        self.stored.append((tenant, body))
        return Receipt(len(body), {"too_old": 1})


def memory(store: Store, capacity: int = 100, seconds: float = 3600) -> RequestDeduplicator:
    return RequestDeduplicator(store, capacity=capacity, seconds=seconds, metrics=Metrics())


def requests(*bodies: bytes) -> Requests:
    return [Request.of(body) for body in bodies]


def test_deduplication_answers_retry_with_first_receipt() -> None:
    store = Store()
    remembered = memory(store)
    first = remembered("t", requests(b"abc"))
    assert remembered("t", requests(b"abc", b"de")) == [*first, Receipt(2, {"too_old": 1})]
    assert store.stored == [("t", b"abc"), ("t", b"de")]


def test_deduplication_stores_request_repeated_in_a_group_once() -> None:
    store = Store()
    assert memory(store)("t", requests(b"a", b"bb", b"a")) == [
        Receipt(1, {"too_old": 1}),
        Receipt(2, {"too_old": 1}),
        Receipt(1, {"too_old": 1}),
    ]
    assert store.stored == [("t", b"a"), ("t", b"bb")]


def test_deduplication_keeps_tenants_apart() -> None:
    store = Store()
    remembered = memory(store)
    remembered("t", requests(b"a"))
    remembered("u", requests(b"a"))
    assert store.stored == [("t", b"a"), ("u", b"a")]


def test_deduplication_stores_retry_of_failed_request() -> None:
    store = Store()
    remembered = memory(store)
    (failure,) = remembered("t", requests(b"f"))
    assert isinstance(failure, OSError)
    assert remembered("t", requests(b"f")) == [Receipt(1, {"too_old": 1})]


def test_deduplication_stores_retry_of_forgotten_request() -> None:
    for capacity, seconds in ((1, 3600), (100, -1)):
        store = Store()
        remembered = memory(store, capacity, seconds)
        for body in (b"a", b"b", b"c", b"a"):
            remembered("t", requests(body))
        assert store.stored == [("t", b"a"), ("t", b"b"), ("t", b"c"), ("t", b"a")]


def test_deduplication_retry_waits_for_running_commit() -> None:
    running, finish = Event(), Event()
    calls: list[Requests] = []

    def commit(_: str, given: Sequence[Request]) -> list[Outcome]:
        calls.append(list(given))
        running.set()
        assert finish.wait(PATIENCE)
        return [Receipt(7)]

    remembered = RequestDeduplicator(commit, capacity=9, seconds=3600, metrics=Metrics())
    with ThreadPoolExecutor() as threads:
        first = threads.submit(remembered, "t", requests(b"a"))
        assert running.wait(PATIENCE)
        retry = threads.submit(remembered, "t", requests(b"a"))
        finish.set()
        assert first.result(PATIENCE) == retry.result(PATIENCE) == [Receipt(7)]
    assert len(calls) == 1


def test_deduplication_retry_fails_with_running_commit() -> None:
    def commit(_: str, __: Sequence[Request]) -> list[Outcome]:
        raise OSError("full")

    (failure,) = RequestDeduplicator(commit, capacity=9, seconds=3600, metrics=Metrics())("t", requests(b"a"))
    assert isinstance(failure, OSError)


class Deletions:
    """Deletions of traces, and what was stored again because of them."""

    def __init__(self) -> None:
        self.traces: dict[bytes, int] = {}
        self.again: list[tuple[bytes, set[bytes]]] = []

    def since(self, _: str, since_ns: int) -> Mapping[bytes, int]:
        return {trace_id: at for trace_id, at in self.traces.items() if at >= since_ns}

    def store(self, _: str, request: Request, deleted: Mapping[bytes, int]) -> Outcome:
        self.again.append((request.body, set(deleted)))
        return Receipt(len(deleted))


def test_deduplication_stores_retry_of_deleted_trace_once() -> None:
    store, deletions = Store(), Deletions()
    deleted = Deleted(deletions.since, deletions.store)
    remembered = RequestDeduplicator(store, capacity=9, seconds=3600, metrics=Metrics(), deleted=deleted)
    deletions.traces[b"earlier"] = time_ns() - 1
    remembered("t", requests(b"a", b"bb"))
    remembered("t", requests(b"a"))
    assert deletions.again == []
    deletions.traces[b"later"] = time_ns()
    assert remembered("t", requests(b"a", b"c")) == [Receipt(1), Receipt(1, {"too_old": 1})]
    remembered("t", requests(b"a", b"c"))
    assert deletions.again == [(b"a", {b"later"})]
    assert store.stored == [("t", b"a"), ("t", b"bb"), ("t", b"c")]


def test_deduplication_retry_fails_while_deletions_cannot_be_read() -> None:
    def unreadable(_: str, __: int) -> Mapping[bytes, int]:
        raise OSError("locked")

    store, deletions = Store(), Deletions()
    deleted = Deleted(unreadable, deletions.store)
    remembered = RequestDeduplicator(store, capacity=9, seconds=3600, metrics=Metrics(), deleted=deleted)
    remembered("t", requests(b"a"))
    (failure,) = remembered("t", requests(b"a"))
    assert isinstance(failure, OSError)


@given(st.lists(st.lists(st.sampled_from([b"a", b"b", b"c", b"fa", b"fb"]), max_size=5), max_size=8))
def test_deduplication_stores_any_repeated_requests_once(groups: list[list[bytes]]) -> None:
    store = Store()
    remembered = memory(store)
    outcomes = [remembered("t", requests(*bodies)) for bodies in groups]
    assert [len(answers) for answers in outcomes] == [len(bodies) for bodies in groups]
    assert len(store.stored) == len(set(store.stored))
    for bodies, answers in zip(groups, outcomes, strict=True):
        for body, answer in zip(bodies, answers, strict=True):
            assert isinstance(answer, OSError) or ("t", body) in store.stored
