"""Commits requests one by one, for processes that handle one at a time, such as Lambda functions."""

from concurrent.futures import Future
from dataclasses import dataclass

from spanlake.ingest.request import Commit, Format, Receipt, Request


@dataclass(frozen=True, slots=True)
class DirectCommit:
    """A commit that stores each request at once, on the thread that submits it."""

    commit: Commit

    def submit(self, tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
        """Store a request, as GroupCommit.submit does; the future is done when this returns."""
        answer: Future[Receipt] = Future()
        (outcome,) = self.commit(tenant, [Request.of(body, format_)])
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
        return answer
