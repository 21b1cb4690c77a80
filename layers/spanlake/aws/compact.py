"""The function that merges small blocks, woken by the index table's stream when new ones have come, or by a unit.

Of each record it needs the keys alone. A day's blocks are planned for once in a batch; if that fails, the records of
that day are reported, and Lambda hands them in again. So are those of new attributes, for which the Glue table has to
have columns.
"""

import os
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord, DynamoDBStreamEvent

from spanlake.aws.compaction import (
    USUAL_COMPACTION,
    Compaction,
    CompactionPolicy,
    Day,
    TenantsUnit,
    Unit,
    compacting_units,
    day_before,
)
from spanlake.aws.environment import IdentityCheck, LambdaStore, prepare_for_snapshot
from spanlake.aws.glue_columns import Columns
from spanlake.aws.settings import settings
from spanlake.aws.telemetry import Event, Handler, Telemetry
from spanlake.aws.tenants import Tenants
from spanlake.store.index.dynamodb.table import Key, day_of, is_entry_key


class _Batch:
    """The records of one batch, which are many, and what is to be done for them, which is little."""

    def __init__(self, compaction: Compaction, columns: Columns, event: Event) -> None:
        self._compaction = compaction
        self._columns = columns
        self._entries = list(filter(is_entry_key, map(_key, DynamoDBStreamEvent(event).records)))
        self._outcomes: dict[Day | None, Exception | None] = {}  # of new attributes under None

    def __call__(self, record: DynamoDBRecord) -> None:
        """Do what the record calls for unless that has been done; raises what went wrong with it."""
        key = _key(record)
        day = day_of(key)
        if day is None and not is_entry_key(key):
            return
        if day not in self._outcomes:
            self._outcomes[day] = self._done(day)
        failure = self._outcomes[day]
        if failure is not None:
            raise failure

    def _done(self, day: Day | None) -> Exception | None:
        """Also the day before is compacted, which nothing else may wake the function for once it is over."""
        try:
            if day is None:
                self._columns.follow(self._entries)
            else:
                self._compaction.compact([day, day_before(day)])
        except Exception as error:  # noqa: BLE001, told to Powertools for each record, which logs it
            return error
        return None


def handler(policy: CompactionPolicy = USUAL_COMPACTION) -> Handler:
    """Return the function as its environment wants it; raises InvalidSetting and StoreError."""
    config, telemetry = settings(os.environ), Telemetry("spanlake-compact")
    store = LambdaStore.open(config)
    units = compacting_units(os.environ, store)
    compaction = Compaction(store, config, telemetry, units, policy)
    tenants = Tenants(store, config.retention, compaction, units)
    columns = Columns(store, config.athena)
    check = IdentityCheck(store, telemetry)
    prepare_for_snapshot()

    def compact(event: Event, context: Any) -> Any:
        compaction.deadline.follow(context)
        check()
        if (unit := Unit.of(event)) is not None:
            return compaction.run(unit)
        if (some := TenantsUnit.of(event)) is not None:
            return tenants.run(some)
        processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
        answer = process_partial_response(event, _Batch(compaction, columns, event), processor, context)
        compaction.purge_replaced()
        return answer

    return telemetry.handler(compact)


def _key(record: DynamoDBRecord) -> Key:
    """Where the item of a record is; nowhere when it does not say."""
    keys = record.dynamodb.keys if record.dynamodb else None
    return (keys["pk"], keys["sk"]) if keys else ("", "")
