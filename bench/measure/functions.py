"""The functions of the AWS deployment as Lambda runs them, one process each, over S3 and DynamoDB of this machine."""

import base64
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws.events import http_event
from tests.aws.local.instance import Function, Instance
from tests.cloud import running

from bench.measure.runtime import Runtime
from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import settings

FUNCTIONS = Path("functions")
PROTOBUF = {"content-type": "application/x-protobuf"}


@dataclass(frozen=True)
class Lake:
    """A new bucket and a new table."""

    folder: Path
    """For logs."""
    variables: Mapping[str, str]
    """Of the functions' environment."""
    runtime: Runtime

    def function(self, name: str, memory_mib: int = 1024, variables: Mapping[str, str] | None = None) -> Function:
        """A function, perhaps with more in its environment."""
        folder = (FUNCTIONS / name).absolute()
        environment = {**self.runtime.variables(name), **self.variables, **(variables or {})}
        return Function(name, folder, environment, memory_mib, seconds=120, python=self.runtime.python)

    @asynccontextmanager
    async def instance(self, function: Function) -> AsyncIterator[Instance]:
        """A new process of a function, initialized."""
        instance = await Instance.start(function, self.folder / f"{function.name}.log")
        try:
            yield instance
        finally:
            await instance.stop()

    def store(self) -> LambdaStore:
        """Opens the functions' storage for this process."""
        return LambdaStore.open(settings(self.variables))


@contextmanager
def lake(runtime: Runtime) -> Iterator[Lake]:
    """A lake on servers of its own, which this process and those it starts take for AWS."""
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, running(Path(name)) as cloud:
        os.environ.update(cloud.environment)
        variables = {
            "SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}",
            "SPANLAKE_INDEX": f"dynamodb://{cloud.table()}",
            "SPANLAKE_RETENTION": "0",
        }
        yield Lake(Path(name), variables, runtime)


@dataclass(frozen=True)
class Timed:
    """Answer of a function, with its time in seconds."""

    seconds: float
    status: int
    body: bytes


_CALLER = {"lambda": {"tenants": "single-tenant"}}


def sent(body: bytes) -> bytes:
    """The event of a request to store spans."""
    return json.dumps(http_event("POST", "/v1/traces", headers=PROTOBUF, body=body, authorizer=_CALLER)).encode()


def asked(path: str, params: Mapping[str, str]) -> bytes:
    """The event of a query, whose answer may be compressed."""
    headers = {"accept-encoding": "gzip"}
    return json.dumps(http_event("GET", path, query=params, headers=headers, authorizer=_CALLER)).encode()


async def timed(instance: Instance, event: bytes) -> Timed:
    """Hands over an event."""
    begin = time.perf_counter()
    answer: Any = json.loads(await instance.invoke(event))
    seconds = time.perf_counter() - begin
    body = answer.get("body", "")
    return Timed(
        seconds, answer["statusCode"], base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    )
