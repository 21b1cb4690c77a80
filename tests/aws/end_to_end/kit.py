"""Sends requests of tests to a deployment, as one tenant or another."""

import threading
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import settings
from spanlake.store.blocks.block import Block
from tests.aws.local.stack import Stack
from tests.server_process import Answer

TENANTS = (
    "conformance",
    "compacted",
    "protocols",
    "rest",
    "shop",
    "bank",
    "large",
    "killed",
    "merged",
    "kept",
    "documented",
)
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def token(tenant: str) -> str:
    """Returns the token of a tenant."""
    return f"token-of-the-tenant-{tenant}"


def authorization(tenant: str) -> Mapping[str, str]:
    """The header with the tenant's token."""
    return {"Authorization": f"Bearer {token(tenant)}"}


def send(stack: Stack, tenant: str, body: bytes, headers: Mapping[str, str] = PROTOBUF) -> Answer:
    """Store the spans of an OTLP request."""
    return stack.ask("POST", "/v1/traces", {**authorization(tenant), **headers}, body)


def get(stack: Stack, tenant: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask for something."""
    return stack.ask("GET", path, {**authorization(tenant), **(headers or {})})


def blocks(stack: Stack, tenant: str) -> list[Block]:
    """The tenant's live blocks."""
    where = {"SPANLAKE_OBJECTS": f"s3://{stack.bucket}", "SPANLAKE_INDEX": f"dynamodb://{stack.table}"}
    index = LambdaStore.open(settings(where)).index
    try:
        return list(index.find(tenant, 0, 2**63 - 1))
    finally:
        index.close()


@contextmanager
def killing(stack: Stack, function: str, times: int, *, pause: float = 0.05) -> Iterator[list[int]]:
    """Kill processes that have an event, again and again; gives how many each time.

    They are looked for with pauses of so many seconds between.
    """
    over = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while sum(killed) < times and not over.wait(pause):
            killed.append(stack.kill_busy(function))

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(kill)
        try:
            yield killed
        finally:
            over.set()
        done.result()


@contextmanager
def speaking_for(tenant: str) -> Iterator[None]:
    """Have all that is asked through urllib, as the recorded requests are, show the tenant's token."""
    opener = urllib.request.build_opener()
    opener.addheaders = list(authorization(tenant).items())
    urllib.request.install_opener(opener)
    try:
        yield
    finally:
        urllib.request.install_opener(urllib.request.build_opener())
