"""Items of the DynamoDB index, and conditional updates of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.index.dynamodb.table import DAY_ITEM, EXPIRES, TOMBSTONE, Key, partition

Item = Mapping[str, Any]  # values are str, int, bytes and frozensets of str or of bytes

_EXPIRED = "#expired"  # no attribute in the table; set as an item is read
_NUMBERS = ("start_ns", "end_ns", "spans", "size")
# An item holds 400 KB. No tag so long is ever asked for, and its values stay in their blocks.
_LONGEST_KEY = 300_000  # bytes


def marshalled(item: Item) -> dict[str, Any]:
    """Return an item as the service takes it."""
    return {name: _typed(value) for name, value in item.items()}


def unmarshalled(item: Mapping[str, Mapping[str, Any]], now: float = 0.0) -> dict[str, Any]:
    """Return an item as the service gives it at a time of the service's, in plain values."""
    plain = {name: _plain(*value.items()) for name, value in item.items()}
    if 0 < plain.get(EXPIRES, 0) <= now:
        plain[_EXPIRED] = True
    return plain


def is_there(item: Item) -> bool:
    """Return True for an item that has not expired by the clock of the service, which removes expired items late.

    This process's own clock is not asked: where it is ahead, what is live would be hidden from queries and deletions.
    """
    return _EXPIRED not in item


def is_block(item: Item) -> bool:
    """Return True for the item of a block, live, retired or archived."""
    return "start_ns" in item


def is_live(item: Item | None) -> bool:
    """Return True for the item of a live block; None stands for an item that is not there."""
    return item is not None and is_block(item) and "replaced" not in item and is_there(item)


def is_entry(item: Item) -> bool:
    """Return True for the item of a catalog entry."""
    return str(item["sk"]).startswith(DAY_ITEM) and "scope" in item


def created_ns_of(item: Item) -> int:
    """When the spans of a block or of a tombstone were first stored; 0 of tombstones of an older version."""
    return int(item.get("created_ns", 0))


def renewed(block: Block) -> Item:
    """Return the attributes of a block's item that are written anew each time the block is added."""
    numbers = {name: getattr(block, name) for name in (*_NUMBERS, "uncompressed_size")}
    checked = {} if block.checksum is None else {"checksum": block.checksum}
    return numbers | {"trace_filter": block.trace_filter} | checked


def lasting(block: Block) -> Item:
    """Return the attributes of a block's item that keep the values of the first time the block was added.

    There are no empty sets.
    """
    return {"created_ns": block.created_ns} | ({"hidden": block.hidden} if block.hidden else {})


def to_block(item: Item) -> Block:
    """Return the block of an item; a retired one has lost its filter and what it hides."""
    tenant, _, day = item["pk"].rpartition("#")
    level, _, name = item["sk"].removeprefix(TOMBSTONE).partition("#")
    return Block(
        tenant=tenant,
        date=date.fromisoformat(day),
        id=name,
        level=int(level),
        start_ns=item["start_ns"],
        end_ns=item["end_ns"],
        spans=item["spans"],
        size=item["size"],
        created_ns=item["created_ns"],
        trace_filter=item.get("trace_filter", b""),
        hidden=item.get("hidden", frozenset()),
        uncompressed_size=item.get("uncompressed_size", 0),
        checksum=item.get("checksum"),
    )


def is_kept(entry: CatalogEntry) -> bool:
    """Return True for an entry that is short enough for an item."""
    return len(entry.key.encode()) <= _LONGEST_KEY


def entry_item(tenant: str, day: date, entry: CatalogEntry) -> dict[str, Any]:
    """Return the item of an entry; keys of attributes may be longer than sort keys can be."""
    text = "\0".join((entry.scope, entry.type, entry.key)).encode()
    name = hashlib.blake2b(text, digest_size=12).hexdigest()
    content = {"scope": entry.scope, "key": entry.key, "type": entry.type}
    return {"pk": partition(tenant, day), "sk": f"{DAY_ITEM}{name}", **content}


def to_entry(item: Item) -> CatalogEntry:
    """Return the entry of an item."""
    return CatalogEntry(item["scope"], item["key"], item["type"])


def key_of(item: Item) -> Key:
    """Where an item is."""
    return item["pk"], item["sk"]


def _typed(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case _:
            return {"SS" if isinstance(next(iter(value)), str) else "BS": sorted(value)}


def _plain(typed: tuple[str, Any]) -> Any:
    kind, value = typed
    if kind == "N":
        return int(value)
    return frozenset(value) if kind in {"SS", "BS"} else value


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
        """Return the parameters of UpdateItem, and of Update in a transaction."""
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
        """Return the parameters of ConditionCheck."""
        key = marshalled(dict(zip(("pk", "sk"), self.key, strict=True)))
        return {"TableName": table, "Key": key, "ConditionExpression": "attribute_not_exists(pk)"}


Action = Update | Missing


def transacted(action: Action, table: str) -> dict[str, Any]:
    """Return an action as TransactWriteItems takes it."""
    return {"Update" if isinstance(action, Update) else "ConditionCheck": action.request(table)}
