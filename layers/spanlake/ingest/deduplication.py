"""Deduplicates requests: a client that missed the answer sends the request again, and it is stored once."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from time import monotonic, time_ns

from spanlake.ingest.request import Commit, Outcome, Receipt, Request
from spanlake.telemetry.prometheus import Metrics

_Key = tuple[str, bytes]  # tenant, digest


@dataclass(frozen=True, slots=True)
class Deleted:
    """Finds and repairs stored requests that have lost spans to deletions of traces.

    ``since`` takes a tenant and a time in Unix nanoseconds; it returns the traces that were deleted at or after it,
    with the times of their deletion. ``store`` takes a tenant, a stored request and such traces; it stores their spans
    again.
    """

    since: Callable[[str, int], Mapping[bytes, int]]
    store: Callable[[str, Request, Mapping[bytes, int]], Outcome]


@dataclass(frozen=True, slots=True)
class _Stored:
    """The state of a stored request."""

    receipt: Receipt
    at: float  # monotonic seconds
    since_ns: int  # Unix time; deletions from then on may have taken its spans


class RequestDeduplicator:
    """A commit of requests, except those that were committed recently or that another thread is committing now.

    It is a Commit around a Commit. A request that was forgotten, by number or by age in seconds, is stored again, and
    compaction drops the copy. Of a request that is remembered, the spans of traces deleted since then are stored again.
    """

    def __init__(
        self, commit: Commit, *, capacity: int, seconds: float, metrics: Metrics, deleted: Deleted | None = None
    ) -> None:
        self._commit = commit
        self._deleted = deleted
        self._capacity = capacity
        self._seconds = seconds
        self._metrics = metrics
        self._lock = Lock()
        self._running: dict[_Key, Future[Outcome]] = {}
        self._stored: OrderedDict[_Key, _Stored] = OrderedDict()  # oldest first

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Return the outcome of every request in order, after storing the new ones."""
        keys = [(tenant, request.digest) for request in requests]
        with self._lock:
            self._forget_old()
            fresh = {key: request for key, request in zip(keys, requests, strict=True) if self._is_new(key)}
            self._running.update({key: Future() for key in fresh})
            known = {key: self._stored[key] for key in keys if key not in self._running}
            answers = [self._running.get(key) for key in keys]
        if fresh:
            self._store(tenant, fresh)
        self._metrics.duplicates(len(keys) - len(fresh))
        repaired = self._repaired(tenant, dict(zip(keys, requests, strict=True)), known) if known else {}
        return [repaired[key] if answer is None else answer.result() for key, answer in zip(keys, answers, strict=True)]

    def _is_new(self, key: _Key) -> bool:
        return key not in self._running and key not in self._stored

    def _store(self, tenant: str, fresh: dict[_Key, Request]) -> None:
        since_ns = time_ns()
        try:
            outcomes = self._commit(tenant, list(fresh.values()))
        except Exception as error:  # noqa: BLE001, a thread that waits for the same request must not wait for ever
            outcomes = [error] * len(fresh)
        now = monotonic()
        with self._lock:
            answers = [self._running.pop(key) for key in fresh]
            self._stored.update(
                {
                    key: _Stored(outcome, now, since_ns)
                    for key, outcome in zip(fresh, outcomes, strict=True)
                    if isinstance(outcome, Receipt)
                }
            )
        for answer, outcome in zip(answers, outcomes, strict=True):
            answer.set_result(outcome)

    def _repaired(
        self, tenant: str, requests: Mapping[_Key, Request], known: Mapping[_Key, _Stored]
    ) -> dict[_Key, Outcome]:
        """Return the outcomes of known requests, after storing again the spans that deletions have taken."""
        outcomes: dict[_Key, Outcome] = {key: stored.receipt for key, stored in known.items()}
        if self._deleted is None:
            return outcomes
        now_ns = time_ns()
        try:
            deleted = self._deleted.since(tenant, min(stored.since_ns for stored in known.values()))
        except Exception as error:  # noqa: BLE001, any error must reach the senders
            return dict.fromkeys(known, error)
        for key, stored in known.items():
            own = {trace_id: at for trace_id, at in deleted.items() if at >= stored.since_ns}
            if own:
                outcomes[key] = self._repair(key, requests[key], own, now_ns)
        return outcomes

    def _repair(self, key: _Key, request: Request, deleted: Mapping[bytes, int], now_ns: int) -> Outcome:
        assert self._deleted is not None
        outcome = self._deleted.store(key[0], request, deleted)
        if isinstance(outcome, Receipt):
            with self._lock:
                self._stored[key] = _Stored(outcome, monotonic(), now_ns)
                self._stored.move_to_end(key)
        return outcome

    def _forget_old(self) -> None:
        limit = monotonic() - self._seconds
        while self._stored and (len(self._stored) > self._capacity or next(iter(self._stored.values())).at < limit):
            self._stored.popitem(last=False)
