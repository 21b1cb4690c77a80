"""A client that did not hear the answer sends the same request again: it is stored once."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from time import monotonic

from spanlake.ingest.request import Commit, Outcome, Receipt, Request
from spanlake.metrics import Metrics

_Key = tuple[str, bytes]  # tenant, digest


class RetryMemory:
    """Commits requests, except those it has seen committed lately, or sees another thread committing right now.

    It is a Commit around a Commit. What it forgets, by number or by age in seconds, is merely stored again, and
    compaction drops the copy.
    """

    def __init__(self, commit: Commit, *, capacity: int, seconds: float, metrics: Metrics) -> None:
        self._commit = commit
        self._capacity = capacity
        self._seconds = seconds
        self._metrics = metrics
        self._lock = Lock()
        self._running: dict[_Key, Future[Outcome]] = {}
        self._stored: OrderedDict[_Key, tuple[Receipt, float]] = OrderedDict()  # oldest first

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Answer every request in order, having stored the ones that are new."""
        keys = [(tenant, request.digest) for request in requests]
        with self._lock:
            self._forget_old()
            fresh = {key: request for key, request in zip(keys, requests, strict=True) if self._is_new(key)}
            self._running.update({key: Future() for key in fresh})
            answers = [self._running.get(key) or _known(self._stored[key][0]) for key in keys]
        if fresh:
            self._store(tenant, fresh)
        self._metrics.repeated(len(keys) - len(fresh))
        return [answer.result() for answer in answers]

    def _is_new(self, key: _Key) -> bool:
        return key not in self._running and key not in self._stored

    def _store(self, tenant: str, fresh: dict[_Key, Request]) -> None:
        try:
            outcomes = self._commit(tenant, list(fresh.values()))
        except Exception as error:  # noqa: BLE001, whoever waits for the same request must not wait for ever
            outcomes = [error] * len(fresh)
        now = monotonic()
        with self._lock:
            answers = [self._running.pop(key) for key in fresh]
            self._stored.update(
                {
                    key: (outcome, now)
                    for key, outcome in zip(fresh, outcomes, strict=True)
                    if isinstance(outcome, Receipt)
                }
            )
        for answer, outcome in zip(answers, outcomes, strict=True):
            answer.set_result(outcome)

    def _forget_old(self) -> None:
        limit = monotonic() - self._seconds
        while self._stored and (len(self._stored) > self._capacity or next(iter(self._stored.values()))[1] < limit):
            self._stored.popitem(last=False)


def _known(receipt: Receipt) -> "Future[Outcome]":
    answer: Future[Outcome] = Future()
    answer.set_result(receipt)
    return answer
