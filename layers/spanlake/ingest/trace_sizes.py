"""The sizes that traces have grown to, for the limit on the size of one trace."""

from collections.abc import Sequence
from threading import Lock

_MOST_TRACES = 65_536
"""Traces of one generation; those that two generations have not seen are forgotten."""

_Generation = dict[str, dict[bytes, int]]


class TraceSizes:
    """Bytes of the latest traces by tenant, for one process; safe to use from any thread.

    Memory is bounded: a trace of which nothing arrives while 65,536 others do may be forgotten, and begins anew.
    """

    def __init__(self, most_traces: int = _MOST_TRACES) -> None:
        self._most_traces = most_traces
        self._lock = Lock()
        self._recent: _Generation = {}
        self._older: _Generation = {}
        self._count = 0

    def take(self, tenant: str, parts: Sequence[tuple[bytes, int]], most: int) -> list[bool]:
        """Add parts of traces, by trace id, in order; returns for each True where its trace has room for it.

        A part that has none is not added.
        """
        with self._lock:
            return [self._take(tenant, trace_id, size, most) for trace_id, size in parts]

    def give_back(self, tenant: str, parts: Sequence[tuple[bytes, int]]) -> None:
        """Take back parts that were not stored after all."""
        with self._lock:
            for trace_id, size in parts:
                self._set(tenant, trace_id, max(self._size(tenant, trace_id) - size, 0))

    def _take(self, tenant: str, trace_id: bytes, size: int, most: int) -> bool:
        total = self._size(tenant, trace_id) + size
        if total > most:
            return False
        self._set(tenant, trace_id, total)
        return True

    def _size(self, tenant: str, trace_id: bytes) -> int:
        found = self._recent.get(tenant, {}).get(trace_id)
        return self._older.get(tenant, {}).get(trace_id, 0) if found is None else found

    def _set(self, tenant: str, trace_id: bytes, size: int) -> None:
        traces = self._recent.setdefault(tenant, {})
        if trace_id not in traces:
            self._count += 1
        traces[trace_id] = size
        if self._count >= self._most_traces:
            self._older, self._recent, self._count = self._recent, {}, 0
