"""Records of a real stream, handed to a function in batches."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.aws.local.contract import COMPACT
from tests.aws.local.event_source import StreamPoller, fits
from tests.aws.local.runtime_api import FunctionError
from tests.aws.local.stack import turn_on_stream
from tests.cloud import Cloud


@pytest.mark.parametrize(
    ("record", "is_wanted"),
    [
        ({"eventName": "INSERT", "dynamodb": {"Keys": {"sk": {"S": "00#ab"}}}}, True),
        ({"eventName": "MODIFY", "dynamodb": {"Keys": {"sk": {"S": "00#ab"}}}}, False),
        ({"eventName": "INSERT", "dynamodb": {"Keys": {"sk": {"S": "01#ab"}}}}, False),
        ({"eventName": "INSERT", "dynamodb": {"Keys": {"sk": {"N": "0"}}}}, False),
        ({"eventName": "INSERT"}, False),
    ],
)
def test_the_filter(record: dict[str, Any], is_wanted: bool) -> None:
    assert fits(COMPACT.pattern, record) is is_wanted


class Function:
    """Does what it is told to with the records that it gets."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.batches: list[list[str]] = []
        self.events: list[Any] = []

    async def invoke(self, event: bytes) -> bytes:
        records = json.loads(event)["Records"]
        self.events += records
        self.batches.append([record["dynamodb"]["Keys"]["sk"]["S"] for record in records])
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):  # of the records, the one that fails
            number = records[answer]["dynamodb"]["SequenceNumber"]
            return json.dumps({"batchItemFailures": [{"itemIdentifier": number}]}).encode()
        return b"null"


@pytest.fixture
def table(cloud: Cloud) -> tuple[Cloud, str, str]:
    name = cloud.table()
    return cloud, name, turn_on_stream(cloud, name)


def poll(table: tuple[Cloud, str, str], function: Function, items: list[str], **source: Any) -> StreamPoller:
    """Have so many items in the table, and their records handed in until none is left."""
    cloud, name, stream = table
    for item in items:
        key = {"pk": {"S": "shop#2026-11-22"}, "sk": {"S": item}}
        cloud.session.client("dynamodb").put_item(TableName=name, Item=key)
    mapping = replace(COMPACT, **({"window": 0.5, "retries": 2} | source))
    client = cloud.session.client("dynamodbstreams", endpoint_url=cloud.dynamodb)
    poller = StreamPoller(client, stream, mapping, function.invoke)
    wanted = sum(item.startswith(("00#", "@")) for item in items)

    async def until_done() -> None:
        task = asyncio.create_task(poller.run())
        while poller.done < wanted:
            await asyncio.sleep(0.02)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with start_blocking_portal() as portal:
        portal.call(asyncio.wait_for, until_done(), 30)
    return poller


def test_records_are_gathered_and_filtered(table: Any) -> None:
    function = Function()
    poll(table, function, ["00#a", "01#b", "00#c", "~00#d", "@e"])
    assert function.batches == [["00#a", "00#c", "@e"]]
    record = function.events[0]
    assert (record["eventName"], record["eventSource"], record["dynamodb"]["StreamViewType"]) == (
        "INSERT",
        "aws:dynamodb",
        "KEYS_ONLY",
    )


def test_a_batch_has_a_size(table: Any) -> None:
    function = Function()
    poll(table, function, ["00#a", "00#b", "00#c"], batch_size=2)
    assert function.batches == [["00#a", "00#b"], ["00#c"]]


def test_what_fails_is_handed_in_again_from_there_on(table: Any) -> None:
    function = Function(1)
    assert not poll(table, function, ["00#a", "00#b", "00#c"]).given_up
    assert function.batches == [["00#a", "00#b", "00#c"], ["00#b", "00#c"]]


def test_what_fails_too_often_is_given_up(table: Any) -> None:
    function = Function(*[FunctionError("no")] * 3)
    assert len(poll(table, function, ["00#a"], retries=2).given_up) == 1
    assert function.batches == [["00#a"]] * 3
