"""The DynamoDB table of an index: its keys, what stands under each, and how to make it.

The partition key ``pk`` and the sort key ``sk`` are strings. Numbers are N, ids of traces and filters B, dates
``2026-11-22``. A tenant id never holds ``#``.

| pk            | sk               | item                                                                             |
|---------------|------------------|----------------------------------------------------------------------------------|
| `TENANT#DATE` | `LEVEL#ID`       | a block, level in two digits or more; with ``replaced`` (seconds) a retired one, |
|               |                  | ``by`` are the sort keys of what took its place                                  |
| `TENANT#DATE` | `@`              | the day itself: ``begun``, ``reached_ns``; ``forgotten`` when it has expired     |
| `TENANT#DATE` | `@HASH`          | an entry of the day's catalog: ``scope``, ``key``, ``type``                      |
| `TENANT#DATE` | `~LEVEL#ID`      | a retired block that queries do not read any more, with ``replaced``; once it is |
|               |                  | forgotten its tombstone, kept while clients may still try again                  |
| `TENANT`      | `DATE`           | the list of days: ``reach_ns``, up to when spans of the day last                 |
| `#tenants`    | `TENANT`         | the list of tenants: ``last_day``, the latest that has begun                     |
| `#deleted#TENANT` | `NS#TRACE_ID` | a deletion: nanoseconds in 20 digits, the trace id in hexadecimal; kept 30 days |
| `#meters#TENANT` | `rate`        | the tenant's rate of ingest in functions: ``until_ns``, up to when it is used up  |
| `#meters#TENANT` | `athena#DATE` | what Athena has read for a tenant on a day: ``bytes``                             |
| `#store`      | NAME             | a property of the index: ``value``; the store's id, the version of this format   |
| `#merges`     | `TENANT#DATE#ID` | a merge that has begun and not ended: ``attempts``, ``reason``, ``seconds``      |
| `#retired`    | `SECONDS#RANDOM` | a swap: ``blocks``, the keys of the blocks that it replaced                      |
| `#archived`   | `SECONDS#RANDOM` | a swap whose blocks have moved to `~LEVEL#ID`                                    |

``expires`` (seconds since 1970) is the attribute of the table's time to live. DynamoDB may take days to remove what has
expired; it counts as gone from that second on, by DynamoDB's clock, which dates every answer. A question about a day is
one query up to ``~``: what grows with the number of requests and not with that of live blocks, tombstones and blocks
that were replaced more than ten minutes ago, is not read.

There is no secondary index: it would make every write dearer. The lists of tenants, days and swaps lead to all that
asks for more than one day, and are written once a day and tenant, or once a swap.
"""

import re
from datetime import date
from typing import TYPE_CHECKING

from spanlake.store.blocks.block import Block

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Key = tuple[str, str]  # pk, sk

TENANTS = "#tenants"
MERGES = "#merges"
RETIRED = "#retired"
ARCHIVED = "#archived"
STORE = "#store"
DELETED = "#deleted#"  # followed by the tenant
METERS = "#meters#"  # followed by the tenant
DAY_ITEM = "@"  # also what keys of the catalog begin with
TOMBSTONE = "~"
EXPIRES = "expires"

_BLOCK = re.compile(r"\d{2,}#[0-9a-f]+", re.ASCII)


def create_table(client: "DynamoDBClient", name: str) -> None:
    """Make the table, billed by request, and wait until it can be used; raises botocore's errors."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES})


def how_to_create(name: str) -> str:
    """Return the instruction for an operator who has no table yet."""
    keys = "--attribute-definitions AttributeName=pk,AttributeType=S AttributeName=sk,AttributeType=S"
    schema = "--key-schema AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE"
    return (
        f"make it with `aws dynamodb create-table --table-name {name} {keys} {schema} --billing-mode PAY_PER_REQUEST` "
        f"and turn on its time to live for the attribute {EXPIRES}, or write dynamodb://{name}?create=true"
    )


def partition(tenant: str, day: date) -> str:
    """Where all that concerns one day of a tenant is."""
    return f"{tenant}#{day.isoformat()}"


def block_key(block: Block) -> Key:
    """Where a block is."""
    return partition(block.tenant, block.date), f"{block.level:02d}#{block.id}"


def day_of(key: Key) -> tuple[str, date] | None:
    """Return the tenant and the day of a block's key; None when it is another item's."""
    where, name = key
    tenant, _, day = where.rpartition("#")
    if not tenant or not _BLOCK.fullmatch(name):
        return None
    return tenant, date.fromisoformat(day)


def is_entry_key(key: Key) -> bool:
    """Return True for the key of a catalog entry."""
    return key[1].startswith(DAY_ITEM) and key[1] != DAY_ITEM


def tombstone_key(block: Block) -> Key:
    """Where a block is that was archived, and its tombstone once it is forgotten."""
    return archived_key(block_key(block))


def archived_key(key: Key) -> Key:
    """Where the block of this key is once it was archived."""
    where, name = key
    return where, f"{TOMBSTONE}{name}"


def day_key(tenant: str, day: date) -> Key:
    """Where a day says that it has begun."""
    return partition(tenant, day), DAY_ITEM


def listed_day_key(tenant: str, day: date) -> Key:
    """Where a day stands in its tenant's list."""
    return tenant, day.isoformat()
