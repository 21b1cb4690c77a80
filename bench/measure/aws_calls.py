"""Counts the requests made of S3 and DynamoDB during a block of code, in the units that AWS charges for."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from spanlake.aws.environment import LambdaStore

_READS = {"BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"}


@dataclass
class Calls:
    """Operations of S3, and what DynamoDB says that its operations consumed."""

    s3: Counter[str] = field(default_factory=Counter)
    dynamodb: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    write_units: float = 0.0

    def _note(self, operation: str, answer: dict[str, Any]) -> None:
        consumed = answer.get("ConsumedCapacity", [])
        tables = consumed if isinstance(consumed, list) else [consumed]
        units = sum(float(table["CapacityUnits"]) for table in tables)
        self.dynamodb[operation] += 1
        if operation in _READS:
            self.read_units += units
        else:
            self.write_units += units


@contextmanager
def counted(store: LambdaStore) -> Iterator[Calls]:
    """Counts what this process's store does."""
    calls, s3, dynamodb = Calls(), store.objects.client.meta.events, store.index.client.meta.events

    def of_s3(model: Any, **_: Any) -> None:
        calls.s3[model.name] += 1

    def ask(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def told(model: Any, parsed: dict[str, Any], **_: Any) -> None:
        calls._note(model.name, parsed)

    s3.register("before-call", of_s3)
    dynamodb.register("before-parameter-build", ask)
    dynamodb.register("after-call", told)
    try:
        yield calls
    finally:
        s3.unregister("before-call", of_s3)
        dynamodb.unregister("before-parameter-build", ask)
        dynamodb.unregister("after-call", told)
