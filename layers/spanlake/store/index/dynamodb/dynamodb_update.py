"""One conditional change of one item, as DynamoDB's expressions spell it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from spanlake.store.index.dynamodb.items import Item, marshalled
from spanlake.store.index.dynamodb.table import Key

Condition = tuple[str, str]  # how to spell it, with {} for the attribute; the attribute

PRESENT = "attribute_exists({})"
ABSENT = "attribute_not_exists({})"


@dataclass(frozen=True)
class Update:
    """A change of an item, which is made if it is not there; nothing happens unless all conditions hold."""

    key: Key
    put: Item = field(default_factory=dict)
    once: Item = field(default_factory=dict)  # set unless they are there
    add: Item = field(default_factory=dict)  # sets, to which these are added
    remove: Sequence[str] = ()
    where: Sequence[Condition] = ()
    equal: Item = field(default_factory=dict)  # attributes that must have these values
    rising: str = ""  # an attribute of ``put`` that must be absent or less

    def request(self, table: str) -> dict[str, Any]:
        """The parameters of UpdateItem, and of Update in a transaction."""
        conditions = self._conditions()
        values = marshalled({**self.put, **self.once, **self.add})
        expected = marshalled(self.equal)
        found: dict[str, Any] = {
            "TableName": table,
            "Key": marshalled(dict(zip(("pk", "sk"), self.key, strict=True))),
            "UpdateExpression": self._expression(),
            "ExpressionAttributeNames": {f"#{name}": name for name in self._names()},
        }
        if conditions:
            found["ConditionExpression"] = " AND ".join(conditions)
        if values or expected:
            found["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()} | {
                f":is_{name}": value for name, value in expected.items()
            }
        return found

    def _expression(self) -> str:
        assigned = [f"#{name} = :{name}" for name in self.put]
        assigned += [f"#{name} = if_not_exists(#{name}, :{name})" for name in self.once]
        clauses = {
            "SET": assigned,
            "ADD": [f"#{name} :{name}" for name in self.add],
            "REMOVE": [f"#{name}" for name in self.remove],
        }
        return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)

    def _conditions(self) -> list[str]:
        found = [spelled.format(f"#{name}") for spelled, name in self.where]
        found += [f"#{name} = :is_{name}" for name in self.equal]
        if self.rising:
            found.append(f"(attribute_not_exists(#{self.rising}) OR #{self.rising} < :{self.rising})")
        return found

    def _names(self) -> set[str]:
        return {*self.put, *self.once, *self.add, *self.remove, *self.equal, *(name for _, name in self.where)}


@dataclass(frozen=True)
class Missing:
    """A condition of a transaction: that there is no such item."""

    key: Key

    def request(self, table: str) -> dict[str, Any]:
        """The parameters of ConditionCheck."""
        key = marshalled(dict(zip(("pk", "sk"), self.key, strict=True)))
        return {"TableName": table, "Key": key, "ConditionExpression": "attribute_not_exists(pk)"}


Action = Update | Missing


def transacted(action: Action, table: str) -> dict[str, Any]:
    """An action as TransactWriteItems takes it."""
    return {"Update" if isinstance(action, Update) else "ConditionCheck": action.request(table)}
