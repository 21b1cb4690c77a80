"""Bucket and table: as the store needs them, private, and still there when the stack is gone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from spanlake.store.index.dynamodb.days import expiry
from spanlake.store.index.dynamodb.replacements import BLOCK_SPARE_DAYS
from spanlake.store.index.dynamodb.table import EXPIRES, create_table
from tests.infra.conftest import Deploy
from tests.infra.template import Template

RETENTIONS = ("1", "3", "7", "14", "30", "60", "90", "180", "365", "730")


def test_the_table_is_the_one_that_the_store_makes(deployed: Deploy) -> None:
    client = Mock()
    create_table(client, "index")
    made = client.create_table.call_args.kwargs
    table = deployed()["Index"]
    assert {name: table[name] for name in made if name != "TableName"} == {
        name: value for name, value in made.items() if name != "TableName"
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRES, "Enabled": True}


def test_the_table_tells_of_changes_by_their_keys_and_can_be_had_back(deployed: Deploy) -> None:
    table = deployed()["Index"]
    assert table["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] == "true"
    assert deployed(KeepTable="false")["Index"]["DeletionProtectionEnabled"] == "false"


@pytest.mark.parametrize("name", ["Lake", "Index"])
def test_data_stays_when_the_stack_goes(template: Template, name: str) -> None:
    resource = template.resources[name]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_bucket_is_private_and_encrypted(deployed: Deploy) -> None:
    bucket = deployed()["Lake"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_the_bucket_is_spoken_to_by_tls_alone(deployed: Deploy) -> None:
    statements = deployed()["LakePolicy"]["PolicyDocument"]["Statement"]
    assert [(found["Effect"], found["Action"], found["Condition"]) for found in statements] == [
        ("Deny", "s3:*", {"Bool": {"aws:SecureTransport": "false"}}),
        ("Deny", "s3:*", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    ]
    name = deployed().outputs["Bucket"]
    assert {tuple(found["Resource"]) for found in statements} == {(f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*")}


def rules(deployed: Deploy, days: str) -> dict[str, Any]:
    """The rules of the bucket's lifecycle by their ids."""
    return {rule["Id"]: rule for rule in deployed(RetentionDays=days)["Lake"]["LifecycleConfiguration"]["Rules"]}


def test_objects_go_when_their_spans_are_too_old(deployed: Deploy) -> None:
    rule = rules(deployed, "30")["spans-are-too-old"]
    assert (rule["Status"], rule["ExpirationInDays"], "Prefix" in rule) == ("Enabled", 37, False)
    assert rules(deployed, "0")["spans-are-too-old"]["Status"] == "Disabled"


@pytest.mark.parametrize("days", RETENTIONS)
def test_objects_outlive_the_entries_of_their_blocks(template: Template, days: str) -> None:
    """An object is no older than its day, unless clocks are ahead; for these, there are days to spare."""
    begins = datetime(2026, 11, 22, tzinfo=UTC)
    entry = expiry(begins.date(), timedelta(days=int(days)), spare_days=BLOCK_SPARE_DAYS)["expires"]
    life = timedelta(days=template.content["Mappings"]["Retention"][days]["ObjectDays"])
    assert timedelta(days=2) <= begins + life - datetime.fromtimestamp(entry, UTC) <= timedelta(days=4)


def test_what_else_is_in_the_bucket_goes_soon(deployed: Deploy) -> None:
    found = rules(deployed, "14")
    assert found["results-of-athena"]["Prefix"] == "athena/"
    assert found["results-of-athena"]["ExpirationInDays"] == 1
    assert found["uploads-that-were-given-up"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_every_retention_that_may_be_chosen_is_known(template: Template) -> None:
    allowed = template.content["Parameters"]["RetentionDays"]["AllowedValues"]
    assert allowed == [*template.content["Mappings"]["Retention"]] == ["0", *RETENTIONS]
