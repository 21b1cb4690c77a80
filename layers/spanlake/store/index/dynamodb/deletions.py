"""Deleted traces in a DynamoDB index: recorded by tenant and time, so that what is sent again is stored again."""

import time

from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DELETED, EXPIRES

_KEPT_SECONDS = 30 * 86_400  # much longer than tombstones


class Deletions:
    """Records and lists the deletions of traces."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def record(self, tenant: str, trace_id: bytes) -> None:
        """Note that a trace is deleted now."""
        now = time.time_ns()
        expires = self._requests.now() + _KEPT_SECONDS
        self._requests.put([{"pk": _partition(tenant), "sk": f"{_moment(now)}#{trace_id.hex()}", EXPIRES: expires}])

    def since(self, tenant: str, since_ns: int) -> dict[bytes, int]:
        """Traces that were deleted at or after a time, with the time of the last deletion of each, in nanoseconds."""
        found = {}
        for item in self._requests.query(_partition(tenant), since=_moment(since_ns)):
            moment, _, trace_id = item["sk"].partition("#")
            found[bytes.fromhex(trace_id)] = int(moment)
        return found


def _partition(tenant: str) -> str:
    return f"{DELETED}{tenant}"


def _moment(ns: int) -> str:
    return f"{max(ns, 0):020d}"
