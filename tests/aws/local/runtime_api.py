"""Lambda's Runtime API: where a function's process asks for events and leaves its answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LARGEST = 6_291_556
"""Bytes of an event, or of an answer: what Lambda itself names when it refuses one."""

_BASE = "/2018-06-01/runtime"


class FunctionError(Exception):
    """The function raised something, ended, took too long or answered too much."""


@dataclass(frozen=True)
class _Invocation:
    event: bytes
    seconds: float
    answer: "asyncio.Future[bytes]"
    id: str = field(default_factory=lambda: str(uuid4()))


class RuntimeApi:
    """The API as one process sees it, which has one event at a time."""

    def __init__(self, arn: str) -> None:
        self.waiting = asyncio.Event()
        """Set when the process has asked for an event, having been initialized."""
        self.complaint = ""
        """Last error message of an initialization or of an event without an answer."""
        self._arn = arn
        self._invocation: _Invocation | None = None
        self._handed_over = asyncio.Event()

    def app(self) -> Starlette:
        """The API as an application."""
        routes = [
            Route(f"{_BASE}/invocation/next", self._next),
            Route(f"{_BASE}/invocation/{{id}}/response", self._response, methods=["POST"]),
            Route(f"{_BASE}/invocation/{{id}}/error", self._error, methods=["POST"]),
            Route(f"{_BASE}/init/error", self._init_error, methods=["POST"]),
            Route(f"{_BASE}/restore/next", self._restore),
        ]
        return Starlette(routes=routes)

    def hand_over(self, event: bytes, seconds: float) -> "asyncio.Future[bytes]":
        """Let the process have an event, and so much time; the future fails with FunctionError."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._invocation = _Invocation(event, seconds, answer)
        self._handed_over.set()
        return answer

    def close(self) -> None:
        """Have nobody wait for an event any more."""
        self._invocation = None
        self._handed_over.set()

    async def _next(self, _: Request) -> Response:
        self.waiting.set()
        await self._handed_over.wait()
        self._handed_over.clear()
        invocation = self._invocation
        if invocation is None:
            return _refused(410, "Closed", "the process has ended")
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]};Sampled=0",
        }
        return Response(invocation.event, media_type="application/json", headers=headers)

    async def _response(self, request: Request) -> Response:
        body, answer = await request.body(), self._pending(request)
        if answer is None:
            return _refused(400, "InvalidRequestID", "Invalid request ID")
        if len(body) > LARGEST:  # the process, told so, reports an error or ends
            self.complaint = f"Response payload size exceeded maximum allowed payload size ({LARGEST} bytes)."
            return _refused(413, "RequestEntityTooLarge", self.complaint)
        answer.set_result(body)
        return JSONResponse({"status": "OK"}, 202)

    async def _error(self, request: Request) -> Response:
        body, answer = await request.body(), self._pending(request)
        if answer is None:
            return _refused(400, "InvalidRequestID", "Invalid request ID")
        answer.set_exception(FunctionError(body.decode()))
        return JSONResponse({"status": "OK"}, 202)

    async def _init_error(self, request: Request) -> Response:
        self.complaint = (await request.body()).decode()
        return JSONResponse({"status": "OK"}, 202)

    async def _restore(self, _: Request) -> Response:
        return Response()

    def _pending(self, request: Request) -> "asyncio.Future[bytes] | None":
        invocation = self._invocation
        if invocation is None or invocation.id != request.path_params["id"] or invocation.answer.done():
            return None
        return invocation.answer


def _refused(status: int, kind: str, message: str) -> Response:
    return Response(json.dumps({"errorType": kind, "errorMessage": message}), status, media_type="application/json")
