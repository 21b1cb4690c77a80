"""The function that merges small blocks, woken by the index table's stream when new ones have come.

Of each record it needs the keys alone. A day's blocks are planned for once in a batch; if that fails, the records of
that day are reported, and Lambda hands them in again.
"""

import os
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from spanlake.aws_lambda.compaction import Compaction, Day, day_before
from spanlake.aws_lambda.settings import settings
from spanlake.aws_lambda.snapshot import prepare_for_snapshot
from spanlake.aws_lambda.store import LambdaStore
from spanlake.aws_lambda.telemetry import Event, Handler, Telemetry
from spanlake.store.dynamodb_table import day_of


class _Batch:
    """The records of one batch, which are many, and their days, which are few."""

    def __init__(self, compaction: Compaction) -> None:
        self._compaction = compaction
        self._outcomes: dict[Day, Exception | None] = {}

    def __call__(self, record: DynamoDBRecord) -> None:
        """Compact the record's day unless that has been done; raises what went wrong with it."""
        day = _day(record)
        if day is None:
            return
        if day not in self._outcomes:
            self._outcomes[day] = self._compacted(day)
        failure = self._outcomes[day]
        if failure is not None:
            raise failure

    def _compacted(self, day: Day) -> Exception | None:
        """Also the day before, which nothing else may wake the function for once it is over."""
        try:
            self._compaction.compact([day, day_before(day)])
        except Exception as error:  # noqa: BLE001, told to Powertools for each record, which logs it
            return error
        return None


def handler() -> Handler:
    """The function as its environment wants it; raises InvalidSetting and StoreError."""
    config, telemetry = settings(os.environ), Telemetry("spanlake-compact")
    compaction = Compaction(LambdaStore.open(config), config, telemetry)
    prepare_for_snapshot()

    def compact(event: Event, context: Any) -> Any:
        compaction.deadline.follow(context)
        processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
        answer = process_partial_response(event, _Batch(compaction), processor, context)
        compaction.remove_retired()
        return answer

    return telemetry.handler(compact)


def _day(record: DynamoDBRecord) -> Day | None:
    """Whose block it is, and of which day; None when the record is not about a block."""
    keys = record.dynamodb.keys if record.dynamodb else None
    return day_of((keys["pk"], keys["sk"])) if keys else None
