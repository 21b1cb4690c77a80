"""Two lanes of group commits: large requests that have to be translated keep no others waiting."""

from concurrent.futures import Future
from dataclasses import replace

from spanlake.ingest.group_commit import GroupCommit, GroupPolicy
from spanlake.ingest.request import Commit, Format, Receipt
from spanlake.ingest.tenant_work import TenantWork

_LARGE = 256 << 10
"""Size in bytes above which a request in another format than OTLP protobuf takes its own lane. Translation takes some
10 µs of Python for a span, and so up to seconds for a request of the largest size."""


class Lanes:
    """A commit in groups, in which large requests of other formats have a thread of their own."""

    def __init__(self, commit: Commit, policy: GroupPolicy, work: TenantWork | None = None) -> None:
        """``work`` is that of both lanes."""
        both = work or TenantWork()
        self._usual = GroupCommit(commit, policy, both)
        self._large = GroupCommit(commit, replace(policy, workers=1), both)

    def start(self) -> None:
        """Start the workers."""
        self._usual.start()
        self._large.start()

    def submit(self, tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
        """Queue a request, as GroupCommit.submit does. Raises Draining and RateLimited."""
        lane = self._usual if format_ is None or len(body) <= _LARGE else self._large
        return lane.submit(tenant, body, format_)

    def close(self) -> None:
        """Refuse new requests, store all that wait, and return when all are answered."""
        self._usual.close()
        self._large.close()
