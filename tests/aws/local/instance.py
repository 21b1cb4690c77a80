"""A process of a function, as Lambda starts one: the real runtime client around the real handler."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.aws.local.listening import Listener
from tests.aws.local.runtime_api import FunctionError, RuntimeApi

_REGION = "us-east-1"
_ACCOUNT = "123456789012"
_TO_END = 10.0  # seconds


@dataclass(frozen=True)
class Function:
    """Configuration of a function on Lambda."""

    name: str
    folder: Path
    """Where ``handler.py`` is."""
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mib: int = 1024
    seconds: float = 29.0
    """Timeout of an event in seconds."""
    python: tuple[str, ...] = (sys.executable,)
    """The interpreter, and its options; it has to find the runtime client."""

    @property
    def arn(self) -> str:
        """Of its alias."""
        return f"arn:aws:lambda:{_REGION}:{_ACCOUNT}:function:{self.name}:live"

    def variables(self, runtime_api: str) -> dict[str, str]:
        """The environment of its processes: this process's, in which the tests' AWS is, and what Lambda adds."""
        return {
            **os.environ,
            **self.environment,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mib),
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_REGION": _REGION,
            "LAMBDA_TASK_ROOT": str(self.folder),
            "_HANDLER": "handler.handler",
        }


class Instance:
    """A process that handles one event at a time."""

    def __init__(self, function: Function, api: RuntimeApi, listener: Listener, process: Process) -> None:
        self._function = function
        self._api = api
        self._listener = listener
        self._process = process
        self._ended = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, function: Function, log: Path) -> "Instance":
        """A new one, initialized; raises FunctionError when that fails."""
        api = RuntimeApi(function.arn)
        listener = Listener(api.app())
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(*function.python, "-m", "awslambdaric", "handler.handler"),
                cwd=function.folder,
                env=function.variables(listener.address),
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
            )
        instance = cls(function, api, listener, process)
        ready = asyncio.create_task(api.waiting.wait())
        await asyncio.wait({ready, instance._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await instance.stop()
            raise FunctionError(f"{function.name} was not initialized: {api.complaint or log.read_text()[-2000:]}")
        return instance

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until the process has ended."""
        return self._process.returncode is None

    async def invoke(self, event: bytes) -> bytes:
        """The answer to an event; raises FunctionError."""
        answer = self._api.hand_over(event, self._function.seconds)
        waited: set[asyncio.Future[Any]] = {answer, self._ended}
        await asyncio.wait(waited, timeout=self._function.seconds, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        if self._ended.done():
            raise FunctionError(self._api.complaint or f"Runtime exited with status {self._ended.result()}")
        self.kill()
        await self._ended
        raise FunctionError(f"Task timed out after {self._function.seconds:.2f} seconds")

    def kill(self) -> None:
        """End the process without a chance to do anything."""
        if self.is_running:
            self._process.kill()

    async def stop(self) -> None:
        """End the process, and what it talks to."""
        if self.is_running:
            self._process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), _TO_END)
        except TimeoutError:
            self.kill()
            await self._ended
        self._api.close()
        await self._listener.stop()
