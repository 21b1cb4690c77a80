"""Bucket and table: as the store needs them, private, and still there when the stack is gone."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from spanlake.store.index.dynamodb.days import expiry
from spanlake.store.index.dynamodb.replacements import BLOCK_SPARE_DAYS
from spanlake.store.index.dynamodb.table import EXPIRES, create_table
from tests.infra.conftest import Deploy
from tests.infra.evaluated import Evaluated
from tests.infra.sources import of_sam
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
    """But for a stack that could not be created, which leaves nothing that the next one would stumble on."""
    resource = template.resources[name]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


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


ADOPTED = {
    "ExistingBucket": "spanlake-lake-1",
    "ExistingTable": "spanlake-Index-1",
    "ExistingTableStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/spanlake-Index-1/stream/1",
}


@pytest.fixture(scope="module")
def adopting(packaged: Mapping[str, Any]) -> Evaluated:
    """A stack that goes on with what another one has left."""
    return of_sam(packaged, {**ADOPTED, "Athena": "true", "AlarmEmail": "traces@example.com"})


def test_what_an_earlier_stack_left_is_adopted(adopting: Evaluated) -> None:
    resources = dict(adopting.resources())
    assert not {"Lake", "LakePolicy", "Index"} & resources.keys()
    assert (adopting.outputs()["Bucket"], adopting.outputs()["Table"]) == ("spanlake-lake-1", "spanlake-Index-1")
    for name in ("Ingest", "Query", "Compact", "Expire"):
        variables = resources[f"{name}Function"].properties["Environment"]["Variables"]
        assert variables["SPANLAKE_OBJECTS"] == "s3://spanlake-lake-1"
        assert variables["SPANLAKE_INDEX"] == "dynamodb://spanlake-Index-1"
    source = resources["CompactFunctionNewBlocks"].properties
    assert source["EventSourceArn"] == ADOPTED["ExistingTableStreamArn"]


def test_roles_are_for_what_is_adopted(adopting: Evaluated) -> None:
    """And for nothing of the same kind beside it."""
    roles = {name: found.properties for name, found in adopting.resources() if found.type == "AWS::IAM::Role"}
    text = json.dumps(roles)
    buckets = set(re.findall(r"arn:aws:s3:::([^/\"]+)", text))
    tables = set(re.findall(r":table/(spanlake-[^/\"]+)", text))
    assert (buckets, tables) == ({"spanlake-lake-1"}, {"spanlake-Index-1"})


def test_a_bucket_is_not_adopted_without_its_table(template: Template) -> None:
    rule = template.content["Rules"]["BucketOfTable"]
    assert str(rule["RuleCondition"]).count("Existing") == str(rule["Assertions"]).count("Ref': 'Existing") == 3


KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"


def test_a_key_of_the_account_encrypts_all_that_is_kept(packaged: Mapping[str, Any]) -> None:
    resources = dict(of_sam(packaged, {"KmsKeyArn": KEY, "Athena": "true"}).resources())
    named = {found.type for found in resources.values() if KEY in json.dumps(found.properties)}
    assert named == {
        "AWS::Athena::WorkGroup",
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
    for found in resources.values():
        if found.type in named:
            assert KEY in json.dumps(found.properties), found
