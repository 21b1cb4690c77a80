"""spanlake as the template deploys it, on this machine: functions, API, authorizer, stream; S3 and DynamoDB behind."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.aws.local.authorizer import Authorizer
from tests.aws.local.event_source import EventSource, StreamPoller
from tests.aws.local.fleet import Fleet
from tests.aws.local.gateway import Gateway
from tests.aws.local.instance import Function
from tests.aws.local.listening import Listener, end
from tests.aws.local.rest_api import RestApi
from tests.aws.local.routes import Route
from tests.aws.local.secrets_manager import secrets_manager
from tests.cloud import Cloud
from tests.server_process import Answer, ask

_FUNCTIONS = Path(__file__).parents[3] / "functions"
_AUTHORIZER = "authorize"
_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tokens"
"""A name and not a secret."""


@dataclass(frozen=True)
class Plan:
    """Configuration of a deployment."""

    routes: tuple[Route, ...]
    sources: Mapping[str, EventSource] = field(default_factory=dict)
    """By the function that the stream's records are handed to."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Tenants by token. Without any, nobody is asked for one."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """More of the functions' environment."""
    memory_mib: Mapping[str, int] = field(default_factory=dict)
    """By function; the others have the default."""
    most: int = 2
    """Greatest number of processes that a function has at once."""


@dataclass(frozen=True)
class Stack:
    """Running deployment. Its methods are for other threads than its own."""

    plan: Plan
    url: str
    bucket: str
    table: str
    fleets: Mapping[str, Fleet]
    pollers: Mapping[str, StreamPoller]
    portal: BlockingPortal
    rest_url: str
    """Of the REST API, its stage included."""

    @property
    def port(self) -> int:
        """Of the API."""
        return int(self.url.rpartition(":")[2])

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send one request to the API."""
        return ask(self.port, method, path, headers=headers, body=body)

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """The answer of a function that is called directly; raises FunctionError."""
        return json.loads(self.portal.call(self.fleets[function].invoke, json.dumps(event).encode()))

    def kill_busy(self, function: str) -> int:
        """Kill the function's processes that have an event; says how many."""
        return self.portal.call(self.fleets[function].kill_busy)

    def log(self, function: str) -> str:
        """Returns the log of the function."""
        return self.fleets[function].log_path.read_text()


@contextmanager
def deployed(cloud: Cloud, logs: Path, plan: Plan) -> Iterator[Stack]:
    """A deployment with a new bucket and a new table."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_deployed(cloud, logs, plan, portal)) as stack,
    ):
        yield stack


@asynccontextmanager
async def _deployed(cloud: Cloud, logs: Path, plan: Plan, portal: BlockingPortal) -> AsyncIterator[Stack]:
    bucket, table = await asyncio.to_thread(lambda: (cloud.bucket(), cloud.table()))
    async with AsyncExitStack() as parts:
        secrets = await _listening(parts, Listener(secrets_manager({_SECRET: json.dumps(dict(plan.tokens))})))
        variables = {
            "SPANLAKE_OBJECTS": f"s3://{bucket}",
            "SPANLAKE_INDEX": f"dynamodb://{table}",
            "SPANLAKE_RETENTION": "14d",
            "SPANLAKE_TOKENS_SECRET": _SECRET,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{secrets}",
            "SPANLAKE_TRUST_TENANT_HEADER": "false" if plan.tokens else "true",
            "POWERTOOLS_METRICS_NAMESPACE": "spanlake",
            **plan.variables,
        }
        fleets = {name: _fleet(plan, name, variables, logs) for name in _names()}
        for fleet in fleets.values():
            parts.push_async_callback(fleet.stop)
        invoke = {name: fleet.invoke for name, fleet in fleets.items()}
        authorizer = Authorizer(invoke[_AUTHORIZER]) if plan.tokens else None
        address = await _listening(parts, Listener(Gateway(plan.routes, invoke, authorizer)))
        rest = await _listening(
            parts, Listener(RestApi(invoke["ingest"], invoke[_AUTHORIZER] if plan.tokens else None))
        )
        pollers = await asyncio.to_thread(_pollers, cloud, table, plan, invoke)
        for poller in pollers.values():
            await parts.enter_async_context(_running(poller))
        yield Stack(plan, f"http://{address}", bucket, table, fleets, pollers, portal, f"http://{rest}/spans")


def _names() -> list[str]:
    return [handler.parent.name for handler in _FUNCTIONS.glob("*/handler.py")]


def _fleet(plan: Plan, name: str, variables: Mapping[str, str], logs: Path) -> Fleet:
    own = {**variables, "POWERTOOLS_SERVICE_NAME": f"spanlake-{name}"}
    memory_mib = plan.memory_mib.get(name, Function.memory_mib)
    return Fleet(Function(name, _FUNCTIONS / name, own, memory_mib), logs, plan.most)


async def _listening(parts: AsyncExitStack, listener: Listener) -> str:
    parts.push_async_callback(listener.stop)
    return listener.address


def _pollers(cloud: Cloud, table: str, plan: Plan, invoke: Mapping[str, Any]) -> dict[str, StreamPoller]:
    if not plan.sources:
        return {}
    client = cloud.session.client("dynamodbstreams", endpoint_url=cloud.dynamodb)
    stream = turn_on_stream(cloud, table)
    return {name: StreamPoller(client, stream, source, invoke[name]) for name, source in plan.sources.items()}


def turn_on_stream(cloud: Cloud, table: str) -> str:
    """Have the table's changes told in a stream, as the template does; its ARN."""
    keys_only: Any = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    changed = cloud.session.client("dynamodb").update_table(TableName=table, StreamSpecification=keys_only)
    return changed["TableDescription"]["LatestStreamArn"]


@asynccontextmanager
async def _running(poller: StreamPoller) -> AsyncIterator[None]:
    task = asyncio.create_task(poller.run())
    try:
        yield
    finally:
        await end(task)
