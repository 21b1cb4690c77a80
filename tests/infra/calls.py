"""Records the functions' calls of AWS as IAM sees them: the action that has to be allowed, and the resource."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from unittest import mock
from urllib.parse import unquote

import boto3
from botocore.client import BaseClient

from tests.cloud import Cloud
from tests.infra.kept import ACCOUNT, REGION
from tests.server_process import patiently

_S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}  # others are called like their requests
_TRANSACTED = {"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}


@dataclass(frozen=True, order=True)
class Call:
    """Action on a resource."""

    action: str
    resource: str


@dataclass(frozen=True)
class Statement:
    """Statement of a role's policy."""

    sid: str
    actions: frozenset[str]
    resources: tuple[str, ...]

    @classmethod
    def parse(cls, statement: Mapping[str, Any]) -> "Statement":
        """Read one that has no conditions."""
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}, statement
        assert statement["Effect"] == "Allow"
        return cls(statement["Sid"], frozenset(_several(statement["Action"])), _several(statement["Resource"]))

    def allows(self, call: Call) -> bool:
        """Returns True where this allows the call; asterisks stand for anything in resources, and never in actions."""
        return call.action in self.actions and any(fnmatchcase(call.resource, found) for found in self.resources)


def _several(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@contextmanager
def recorded(cloud: Cloud, bucket: str) -> Iterator[set[Call]]:
    """Records the calls made meanwhile: through boto3, and by DuckDB, which the S3 server's log shows."""
    made: set[Call] = set()
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noting(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        made.update(_calls(client.meta.service_model.service_name, operation, parameters))
        return original(client, operation, parameters)

    before = len(_lines(cloud, bucket))
    with mock.patch.object(BaseClient, "_make_api_call", noting):
        yield made
    made.update(_of_duckdb(line) for line in _lines(cloud, bucket)[before:] if " duckdb/" in line)


def _calls(service: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[Call]:
    match service:
        case "s3" if operation == "DeleteObjects":  # has to be allowed for each object, as DeleteObject is
            for named in parameters["Delete"]["Objects"]:
                yield _s3_call("DeleteObject", parameters["Bucket"], named["Key"])
        case "s3":
            yield _s3_call(operation, parameters["Bucket"], parameters.get("Key"))
        case "dynamodb":
            yield from _dynamodb_calls(operation, parameters)
        case "dynamodbstreams":  # of the deployment that other tests keep running in this process
            return
        case "secretsmanager":
            yield Call(f"{service}:{operation}", parameters["SecretId"])
        case _:
            raise NotImplementedError(f"{service}:{operation}")


def _s3_call(operation: str, bucket: str, key: str | None) -> Call:
    place = bucket if key is None else f"{bucket}/{key}"
    return Call(f"s3:{_S3_ACTIONS.get(operation, operation)}", f"arn:aws:s3:::{place}")


def _dynamodb_calls(operation: str, parameters: Mapping[str, Any]) -> Iterator[Call]:
    """A transaction needs to be allowed what it is made of (Amazon DynamoDB Developer Guide, transactions and IAM)."""
    if operation == "TransactWriteItems":
        for item in parameters["TransactItems"]:
            ((kind, action),) = item.items()
            yield _table_call(_TRANSACTED[kind], action["TableName"])
    elif "RequestItems" in parameters:
        for table in parameters["RequestItems"]:
            yield _table_call(operation, table)
    else:
        yield _table_call(operation, parameters["TableName"])


def _table_call(operation: str, table: str) -> Call:
    return Call(f"dynamodb:{operation}", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")


def _lines(cloud: Cloud, bucket: str) -> list[str]:
    """Returns the lines on a bucket in the S3 server's log, up to a marker that is put now."""
    marker = f"marker-{secrets.token_hex(8)}"
    boto3.client("s3").put_object(Bucket=bucket, Key=marker)
    for _ in patiently():
        lines = [line for line in cloud.s3_log.read_text().splitlines() if bucket in line]
        if marker in lines[-1]:
            return lines
    raise TimeoutError


def _of_duckdb(line: str) -> Call:
    words = line.split()
    at = next(number for number, word in enumerate(words) if word.startswith("s3_"))
    return _s3_call(words[at].removeprefix("s3_"), words[1], unquote(words[at + 1]))
