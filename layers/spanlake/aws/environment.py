"""The storage of a function: opened lazily, checked for identity, safe for snapshots."""

import asyncio
import logging
import random
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanlake.api.errors import INGEST_ERRORS, http_error
from spanlake.aws.telemetry import Metric, Telemetry
from spanlake.settings.model import Config
from spanlake.store.deadline import limited
from spanlake.store.errors import StoreError, StoreMismatch
from spanlake.store.identity import check_identity
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.open import table_named


@dataclass(frozen=True, slots=True)
class LambdaStore:
    """Blocks in S3, and the index in DynamoDB."""

    objects: S3Objects
    index: DynamoIndex

    @classmethod
    def open(cls, config: Config) -> "LambdaStore":
        """Return the storage that the settings name, with clients that have no connections yet; raises StoreError."""
        objects = S3Objects(S3Location.parse(config.objects))
        table, _ = table_named(config.index)
        index = DynamoIndex(table, config.retention, objects.session)
        _ = objects.client  # made now: it takes 100 ms, which a snapshot, or the boost at the start, bears
        return cls(objects, index)


def prepare_for_snapshot() -> None:
    """Have the pauses between attempts drawn anew in each instance, so that they do not all try again at once.

    Tokens and ids come from the system's generator, which a snapshot does not hold.
    """
    from snapshot_restore_py import register_after_restore  # type: ignore[import-untyped]

    register_after_restore(random.seed)


# API Gateway gives up after 30 s: the check of a new process, what a request asks of storage, and the start fit in.
_CHECK_SECONDS = 6.0
_log = logging.getLogger(__name__)


class IdentityCheck:
    """Compares the ids of bucket and table until they are found to be equal, once in the life of a process."""

    def __init__(self, store: LambdaStore, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self.is_done = False

    def __call__(self) -> None:
        """Raise StoreMismatch, which is counted, or another StoreError."""
        if self.is_done:
            return
        try:
            with limited(_CHECK_SECONDS):
                self._store.index.check_version()
                check_identity(self._store.objects, self._store.index, trust_ids=True)
        except StoreMismatch as error:
            self._telemetry.count(Metric.STORE_MISMATCHES, 1)
            _log.error("bucket and table do not belong together", extra={"reason": str(error)})
            raise
        self.is_done = True


_READING = frozenset(("GET", "HEAD"))


class CheckedRequests:
    """Answers requests with 503 while bucket and table do not belong together."""

    def __init__(self, app: ASGIApp, check: IdentityCheck) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._check.is_done:
            await self._app(scope, receive, send)
            return
        answer = self._answer_meanwhile if scope["method"] in _READING else self._answer_after
        try:
            await answer(scope, receive, send)
        except StoreError as error:
            told = http_error(error, INGEST_ERRORS)
            await PlainTextResponse(f"{told.message}\n", told.status, told.headers)(scope, receive, send)

    async def _answer_after(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(self._check)
        await self._app(scope, receive, send)

    async def _answer_meanwhile(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that changes nothing while the check runs, and hold the answer back until it is passed."""
        answer: list[Message] = []

        async def hold(message: Message) -> None:
            answer.append(message)

        checked, answered = await asyncio.gather(
            asyncio.to_thread(self._check), self._app(scope, receive, hold), return_exceptions=True
        )
        for failure in filter(None, (checked, answered)):
            raise failure
        for message in answer:
            await send(message)
