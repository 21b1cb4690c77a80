"""The Glue table's columns, in moto's Glue."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from spanlake.spans.schema import FIXED
from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.errors import StorageUnavailable, StoreError
from spanlake.store.glue import GlueColumns, TableName, shared_columns
from tests.cloud import calls

NAME = TableName("lake", "spans")
USER = CatalogEntry("span", "user.id", "string")
TOTAL = CatalogEntry("span", "total", "double")
ZONE = CatalogEntry("resource", "zone", "string")
KEYS = [{"Name": "tenant", "Type": "string"}, {"Name": "date", "Type": "string"}]
PARAMETERS = {
    "projection.enabled": "true",
    "storage.location.template": "s3://lake/spans/tenant=${tenant}/date=${date}",
}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("glue", region_name="us-east-1")
        client.create_database(DatabaseInput={"Name": "lake"})
        storage = {"Columns": [{"Name": "trace_id", "Type": "binary"}], "Location": "s3://lake/spans/"}
        table: Any = {"Name": "spans", "StorageDescriptor": storage, "PartitionKeys": KEYS, "Parameters": PARAMETERS}
        client.create_table(DatabaseName="lake", TableInput=table)
        yield client


def table(client: Any) -> Any:
    return client.get_table(DatabaseName="lake", Name="spans")["Table"]


def columns(client: Any) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in table(client)["StorageDescriptor"]["Columns"]}


def test_columns_are_added(client: Any) -> None:
    assert GlueColumns(client, NAME).follow([USER, TOTAL]) == len(FIXED) - 1 + 2
    found = columns(client)
    assert next(iter(found)) == "trace_id"
    assert found.keys() == {*FIXED.names, "span_user_id", "span_total___double"}
    assert found["span_total___double"] == "double"
    assert found["duration_nano"] == "bigint"
    assert found["span_rest"] == "array<struct<key:string,value:string>>"


def test_all_else_stays(client: Any) -> None:
    GlueColumns(client, NAME).follow([USER])
    found = table(client)
    assert (found["PartitionKeys"], found["Parameters"]) == (KEYS, PARAMETERS)
    assert found["StorageDescriptor"]["Location"] == "s3://lake/spans/"


def test_only_what_is_new_is_asked_about(client: Any) -> None:
    columns = GlueColumns(client, NAME)
    with calls(client) as made:
        columns.follow([USER])
        assert made == ["GetTable", "UpdateTable"]
        assert columns.follow([USER]) == 0
        assert made == ["GetTable", "UpdateTable"]
        assert GlueColumns(client, NAME).follow([USER]) == 0
        assert made == ["GetTable", "UpdateTable", "GetTable"]


def test_entries_without_columns_ask_nothing(client: Any) -> None:
    with calls(client) as made:
        GlueColumns(client, NAME).follow([CatalogEntry("event", "k", "string"), CatalogEntry("span", "k", "rest")])
    assert made == []


def test_updates_say_which_version_they_are_of(client: Any) -> None:
    bodies = []
    client.meta.events.register("before-parameter-build.glue.UpdateTable", lambda params, **_: bodies.append(params))
    version = table(client)["VersionId"]
    GlueColumns(client, NAME).follow([USER])
    assert [body["VersionId"] for body in bodies] == [version]


def overtake(client: Any, monkeypatch: pytest.MonkeyPatch, times: int, meanwhile: Callable[[], object]) -> None:
    """Let somebody else change the table before each of the next updates: moto overlooks the version, Glue does not."""
    left, update = [meanwhile] * times, client.update_table

    def refused(**request: Any) -> Any:
        if not left:
            return update(**request)
        left.pop()()
        raise ClientError({"Error": {"Code": "ConcurrentModificationException"}}, "UpdateTable")

    monkeypatch.setattr(client, "update_table", refused)


def test_whoever_was_quicker_loses_nothing(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = GlueColumns(boto3.client("glue", region_name="us-east-1"), NAME)
    overtake(client, monkeypatch, 1, lambda: other.follow([ZONE]))
    GlueColumns(client, NAME).follow([USER])
    assert {"resource_zone", "span_user_id"} <= columns(client).keys()


def test_many_who_are_quicker(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    overtake(client, monkeypatch, 5, lambda: None)
    with pytest.raises(StorageUnavailable, match="all the time"):
        GlueColumns(client, NAME).follow([USER])


def test_a_full_table_keeps_what_is_most_useful(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    follower = GlueColumns(client, NAME, most_columns=len(FIXED) + 1)
    follower.follow([USER, TOTAL, ZONE])
    assert columns(client).keys() == {*FIXED.names, "resource_zone"}
    assert "no room for columns" in caplog.text
    with calls(client) as made:
        follower.follow([USER])
    assert made == []


def test_a_table_that_is_not_there(client: Any) -> None:
    with pytest.raises(StoreError, match=r"update the Glue table lake\.gone: GetTable was refused"):
        GlueColumns(client, TableName("lake", "gone")).follow([USER])


def test_tenants_share_the_room() -> None:
    flood = [CatalogEntry("span", f"key{number:04}", "string") for number in range(1000)]
    wanted = shared_columns([flood, [USER, TOTAL]])
    assert len(wanted) == len(flood) + 2
    assert {"span_user_id", "span_total___double"} <= set(list(wanted)[:4])


def test_a_full_table_has_columns_of_each_tenant(client: Any) -> None:
    flood = [CatalogEntry("span", f"key{number:04}", "string") for number in range(100)]
    GlueColumns(client, NAME, most_columns=len(FIXED) + 4).ensure(shared_columns([flood, [USER, TOTAL]]))
    assert {"span_user_id", "span_total___double"} <= columns(client).keys()
