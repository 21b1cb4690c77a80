"""Lambda's poller of a table's stream: an event source mapping with a filter, a window and partial batch failures.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
"""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.aws.local.authorizer import Invoke
from tests.aws.local.runtime_api import FunctionError

Record = Mapping[str, Any]

_PAUSE = 0.2  # seconds between looks; Lambda looks four times a second


@dataclass(frozen=True)
class EventSource:
    """Settings of the event source mapping."""

    pattern: Mapping[str, Any]
    """Of the records that are handed on, in the language of EventBridge."""
    batch_size: int
    window: float
    """Seconds for which records are gathered."""
    retries: int


def fits(pattern: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Returns True where a record has all fields of the pattern, each with one of the values or prefixes listed."""
    return all(_fits(wanted, record.get(name)) for name, wanted in pattern.items())


def _fits(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and fits(wanted, value)
    return any(_is_one(choice, value) for choice in wanted)


def _is_one(choice: Any, value: Any) -> bool:
    if not isinstance(choice, Mapping):
        return bool(choice == value)
    ((kind, operand),) = choice.items()
    if kind != "prefix":
        raise NotImplementedError(f"a filter by {kind}")
    return isinstance(value, str) and value.startswith(operand)


@dataclass
class StreamPoller:
    """Hands a stream's records to a function."""

    client: Any
    """Of DynamoDB Streams, from boto3."""
    stream: str
    """Its ARN."""
    source: EventSource
    invoke: Invoke
    given_up: list[Record] = field(default_factory=list)
    """Records that the function did not manage, however often it was asked."""
    done: int = 0
    """Number of records that the function has processed, or that were given up."""
    _iterators: dict[str, str | None] = field(default_factory=dict)
    _gathered: list[Record] = field(default_factory=list)
    _since: float = 0.0

    async def run(self) -> None:
        """Look again and again."""
        while True:
            self._gather(await asyncio.to_thread(self._read))
            while self._is_due():
                batch, self._gathered = self._split()
                await self._deliver(batch)
                self.done += len(batch)
            await asyncio.sleep(_PAUSE)

    def _read(self) -> list[Record]:
        for shard in self.client.describe_stream(StreamArn=self.stream)["StreamDescription"]["Shards"]:
            if shard["ShardId"] not in self._iterators:
                self._iterators[shard["ShardId"]] = self.client.get_shard_iterator(
                    StreamArn=self.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
        return [record for shard in list(self._iterators) for record in self._read_shard(shard)]

    def _read_shard(self, shard: str) -> list[Record]:
        iterator = self._iterators[shard]
        if iterator is None:  # the shard is closed, and read to its end
            return []
        page = self.client.get_records(ShardIterator=iterator)
        self._iterators[shard] = page.get("NextShardIterator")
        return [{**record, "eventSourceARN": self.stream} for record in page["Records"]]

    def _gather(self, records: list[Record]) -> None:
        wanted = [record for record in records if fits(self.source.pattern, record)]
        if wanted and not self._gathered:
            self._since = time.monotonic()
        self._gathered += wanted

    def _is_due(self) -> bool:
        if not self._gathered:
            return False
        is_full = len(self._gathered) >= self.source.batch_size
        return is_full or time.monotonic() - self._since >= self.source.window

    def _split(self) -> tuple[list[Record], list[Record]]:
        return self._gathered[: self.source.batch_size], self._gathered[self.source.batch_size :]

    async def _deliver(self, batch: list[Record]) -> None:
        for _ in range(1 + self.source.retries):
            batch = await self._left(batch)
            if not batch:
                return
            await asyncio.sleep(_PAUSE)
        self.given_up += batch

    async def _left(self, batch: list[Record]) -> list[Record]:
        """Returns the records to invoke the function with again: all from the first that failed."""
        event = json.dumps({"Records": batch}, default=_json).encode()
        try:
            answer = json.loads(await self.invoke(event)) or {}
        except FunctionError:
            return batch
        failed = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or ()}
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        first = next((at for at, number in enumerate(numbers) if number in failed), len(batch))
        return batch[first:]


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value)} in a record")
