"""Functions look whether bucket and table belong together before they store, answer or delete anything."""

import asyncio
import logging

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spanlake.api.errors import INGEST_ERRORS, problem
from spanlake.aws.store import LambdaStore
from spanlake.aws.telemetry import Metric, Telemetry
from spanlake.store.errors import StoreError, StoreMismatch
from spanlake.store.identity import check_identity

_log = logging.getLogger(__name__)


class IdentityCheck:
    """Compares the ids of bucket and table until they are found to be equal, once in the life of a process."""

    def __init__(self, store: LambdaStore, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self._is_done = False

    def __call__(self) -> None:
        """Raise StoreMismatch, which is counted, or another StoreError."""
        if self._is_done:
            return
        try:
            self._store.index.check_version()
            check_identity(self._store.objects, self._store.index, trust_ids=True)
        except StoreMismatch as error:
            self._telemetry.count(Metric.STORE_MISMATCHES, 1)
            _log.error("bucket and table do not belong together", extra={"reason": str(error)})
            raise
        self._is_done = True


class CheckedRequests:
    """Answers requests with 503 while bucket and table do not belong together."""

    def __init__(self, app: ASGIApp, check: IdentityCheck) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await asyncio.to_thread(self._check)
        except StoreError as error:
            told = problem(error, INGEST_ERRORS)
            await PlainTextResponse(f"{told.message}\n", told.status, told.headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)
