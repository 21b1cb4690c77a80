"""Requests to a DynamoDB table: paged, repeated while others are in the way, their errors told as the store's."""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from spanlake.store import aws_client
from spanlake.store.errors import StorageUnavailable, StoreError
from spanlake.store.index.dynamodb.items import Action, Item, Update, key_of, marshalled, transacted, unmarshalled
from spanlake.store.index.dynamodb.table import STORE, Key

if TYPE_CHECKING:
    from collections.abc import Set

    from mypy_boto3_dynamodb.client import DynamoDBClient

_Item = TypeVar("_Item")

_WRITES = 25  # in one BatchWriteItem
_READS = 100  # in one BatchGetItem
_REFUSED = "ConditionalCheckFailed"
_IN_THE_WAY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class NoTable(StoreError):  # noqa: N818
    """The table is not there."""


class Refused(Exception):  # noqa: N818
    """A transaction changed nothing, since conditions of these of its actions do not hold."""

    def __init__(self, actions: "Set[int]") -> None:
        super().__init__(actions)
        self.actions = actions


class Requests:
    """Requests to one table, all reads strongly consistent; safe to share between threads.

    Every method raises StorageUnavailable for what may pass, and StoreError otherwise.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self.table = table

    def query(
        self,
        pk: str,
        *,
        begins: str = "",
        below: str = "",
        since: str = "",
        between: tuple[str, str] = ("", ""),
        names: Sequence[str] = (),
        most: int = 0,
    ) -> Iterator[dict[str, Any]]:
        """Return the items of a partition in the order of their sort keys.

        Those whose keys ``begin`` with a text, are ``below`` it, are it or follow it (``since``), or lie ``between``
        two, both included. With names, only these attributes of them. With ``most``, so many items at the most.
        """
        condition, values = _of_keys(begins, below, since, between)
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": f"pk = :pk{condition}",
            "ExpressionAttributeValues": {f":{name}": value for name, value in marshalled({"pk": pk} | values).items()},
            "ConsistentRead": True,
        }
        if names:
            request["ProjectionExpression"] = ", ".join(f"#{name}" for name in names)
            request["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        pages = self._pages(request | ({"Limit": most} if most else {}))
        return islice(pages, most) if most else pages

    def _pages(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            with self._reported("read"):
                answer = self._client.query(**request)
            now = aws_client.service_time(answer) or 0
            yield from (unmarshalled(item, now) for item in answer["Items"])
            last = answer.get("LastEvaluatedKey")
            if not last:
                return
            request = {**request, "ExclusiveStartKey": last}

    def get(self, keys: Iterable[Key]) -> dict[Key, dict[str, Any]]:
        """Return the items of these keys that are there."""
        found = {}
        for some in _groups(list(dict.fromkeys(keys)), _READS):
            for item in self._get(some):
                found[key_of(item)] = item
        return found

    def _get(self, keys: Sequence[Key]) -> Iterator[dict[str, Any]]:
        left: Any = {self.table: {"Keys": [_spelled(key) for key in keys], "ConsistentRead": True}}
        for _ in aws_client.attempts():
            with self._reported("read"):
                answer = self._client.batch_get_item(RequestItems=left)
            now = aws_client.service_time(answer) or 0
            yield from (unmarshalled(item, now) for item in answer["Responses"][self.table])
            left = answer["UnprocessedKeys"]
            if not left:
                return
        raise self._busy()

    def now(self) -> int:
        """Return the time of the service in seconds since 1970; this process's own where answers do not tell it."""
        return self.service_time() or int(time.time())

    def service_time(self) -> int | None:
        """Ask for the time of the service, in seconds since 1970.

        It is asked each time, since a function's process may be frozen.
        """
        with self._reported("read"):
            answer = self._client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=marshalled({":pk": STORE}),
                Limit=1,
            )
        return aws_client.service_time(answer)

    def put(self, items: Iterable[Item]) -> None:
        """Write items, each by itself, in place of what is there."""
        self._batch([{"PutRequest": {"Item": marshalled(item)}} for item in items])

    def delete(self, keys: Iterable[Key]) -> None:
        """Remove items, each by itself; those that are not there count as removed."""
        self._batch([{"DeleteRequest": {"Key": _spelled(key)}} for key in keys])

    def _batch(self, requests: Sequence[Mapping[str, Any]]) -> None:
        for some in _groups(requests, _WRITES):
            self._write(some)

    def _write(self, requests: Sequence[Mapping[str, Any]]) -> None:
        left: Any = {self.table: requests}
        for _ in aws_client.attempts():
            with self._reported("write"):
                left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]
            if not left:
                return
        raise self._busy()

    def update(self, update: Update) -> bool:
        """Change an item; whether its conditions held."""
        request = update.request(self.table)
        with self._reported("write"):
            for _ in aws_client.attempts():
                try:
                    self._client.update_item(**request)
                except ClientError as error:
                    if aws_client.code(error) == "ConditionalCheckFailedException":
                        return False
                    if aws_client.code(error) != "TransactionConflictException":
                        raise
                else:
                    return True
        raise self._busy()

    def transact(self, actions: Sequence[Action]) -> None:
        """Do all or nothing, raising Refused where conditions do not hold.

        One token goes with all attempts, so that what was done already is not done again when its answer was lost.
        """
        request: dict[str, Any] = {
            "TransactItems": [transacted(action, self.table) for action in actions],
            "ClientRequestToken": str(uuid.uuid4()),
        }
        with self._reported("write"):
            for _ in aws_client.attempts():
                try:
                    self._client.transact_write_items(**request)
                except ClientError as error:
                    if not _is_in_the_way(error):
                        raise
                else:
                    return
        raise self._busy()

    @contextmanager
    def _reported(self, verb: str) -> Iterator[None]:
        with aws_client.reported(f"{verb} the index table {self.table}"):
            try:
                yield
            except ClientError as error:
                if aws_client.code(error) == "ResourceNotFoundException":
                    raise NoTable(f"there is no DynamoDB table {self.table}") from error
                raise

    def _busy(self) -> StorageUnavailable:
        return StorageUnavailable(f"transactions on the index table {self.table} kept conflicting: try again")


def _of_keys(begins: str, below: str, since: str, between: tuple[str, str]) -> tuple[str, dict[str, str]]:
    """Write the condition on sort keys, and the values that it names."""
    if begins:
        return " AND begins_with(sk, :sk)", {"sk": begins}
    if below:
        return " AND sk < :sk", {"sk": below}
    if since:
        return " AND sk >= :sk", {"sk": since}
    if any(between):
        return " AND sk BETWEEN :sk AND :last", {"sk": between[0], "last": between[1]}
    return "", {}


def _is_in_the_way(error: ClientError) -> bool:
    """Return True where a transaction was cancelled for a reason that may pass.

    Raises Refused for conditions that do not hold.
    """
    reasons = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", ())]
    refused = {number for number, reason in enumerate(reasons) if reason == _REFUSED}
    if refused:
        raise Refused(refused) from error
    return not _IN_THE_WAY.isdisjoint(reasons)


def _spelled(key: Key) -> dict[str, Any]:
    return marshalled(dict(zip(("pk", "sk"), key, strict=True)))


def _groups(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
