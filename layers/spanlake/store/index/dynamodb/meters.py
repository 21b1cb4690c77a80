"""Meters of tenants that all processes of an index share: the rate at which they send, and what Athena reads a day."""

import time
from datetime import date
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from spanlake.store import aws_client
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.dynamodb.items import Update, marshalled, unmarshalled
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import EXPIRES, METERS, Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_ATTEMPTS = 4
_KEPT_SECONDS = 3_600  # for which a bucket is kept when it is full again
_DAY_SECONDS = 3 * 86_400
_RUNNING = "#until BETWEEN :now AND :latest"
_FULL = "attribute_not_exists(#until) OR #until < :now"


class DynamoMeters:
    """Meters in the table of an index; safe to share between threads."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self._requests = Requests(client, table)

    def take(self, tenant: str, cost_ns: int, room_ns: int, now_ns: int) -> int:
        """Take time from a bucket that holds ``room_ns``; returns 0, or the nanoseconds until there is room.

        The bucket is the time until which it is in use: a request moves that time on by its cost, and has no room
        when that is more than ``room_ns`` ahead. Without contention it is one request. Raises StoreError.
        """
        latest = now_ns + room_ns - min(cost_ns, room_ns)
        for _ in range(_ATTEMPTS):
            found = self._move(tenant, cost_ns, now_ns, latest)
            if found is None:
                return 0
            if (until := found.get("until_ns", 0)) > latest:
                return int(until) - latest
            if self._begin(tenant, cost_ns, now_ns):
                return 0
        raise StorageUnavailable("the rate of a tenant is changed by too many at once: try again")

    def add_scanned(self, tenant: str, day: date, size: int) -> None:
        """Add bytes that Athena has read for a tenant on a day; raises StoreError."""
        put = {EXPIRES: int(time.time()) + _DAY_SECONDS}
        self._requests.update(Update(_scanned_key(tenant, day), put=put, add={"bytes": size}))

    def scanned(self, tenant: str, day: date) -> int:
        """Return the bytes that Athena has read for a tenant on a day; raises StoreError."""
        where, name = _scanned_key(tenant, day)
        return sum(int(item["bytes"]) for item in self._requests.query(where, begins=name))

    def _move(self, tenant: str, cost_ns: int, now_ns: int, latest: int) -> dict[str, Any] | None:
        """Add the cost to a bucket that is in use; returns the bucket where that was refused."""
        values = {"cost": cost_ns, "now": now_ns, "latest": latest}
        return self._change(tenant, latest + cost_ns, values, "#until = #until + :cost", _RUNNING)

    def _begin(self, tenant: str, cost_ns: int, now_ns: int) -> bool:
        """Take the cost from a bucket that is full."""
        values = {"begun": now_ns + cost_ns, "now": now_ns}
        return self._change(tenant, now_ns + cost_ns, values, "#until = :begun", _FULL) is None

    def _change(
        self, tenant: str, until_ns: int, values: dict[str, int], change: str, condition: str
    ) -> dict[str, Any] | None:
        expires = until_ns // 10**9 + _KEPT_SECONDS
        with aws_client.reported(f"write the index table {self._table}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=marshalled({"pk": METERS + tenant, "sk": "rate"}),
                    UpdateExpression=f"SET {change}, #{EXPIRES} = :{EXPIRES}",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#until": "until_ns", f"#{EXPIRES}": EXPIRES},
                    ExpressionAttributeValues=marshalled(
                        {f":{name}": value for name, value in {**values, EXPIRES: expires}.items()}
                    ),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if aws_client.code(error) != "ConditionalCheckFailedException":
                    raise
                return _found(error)
        return None


def _found(error: ClientError) -> dict[str, Any]:
    """Return the item that a condition was about, without attributes where there is none."""
    return unmarshalled(dict(error.response).get("Item") or {}, 0)  # type: ignore[arg-type]


def _scanned_key(tenant: str, day: date) -> Key:
    return METERS + tenant, f"athena#{day.isoformat()}"
