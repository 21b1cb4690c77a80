"""The table of spans as Athena sees it, and what a query of it may cost."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from spanlake.spans.schema import FIXED
from spanlake.store.blocks.block import Block
from tests.infra.conftest import Deploy
from tests.infra.sources import of_sam
from tests.infra.template import Template

PLAIN = {
    pa.binary(): "binary",
    pa.string(): "string",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
}
BLOCK = Block("shop", date(2026, 11, 22), "ab", 0, 0, 0, 1, 1, 0, b"")


def hive(type_: pa.DataType) -> str:
    """Returns the name in Hive of a type of Arrow."""
    if isinstance(type_, pa.ListType):
        return f"array<{hive(type_.value_type)}>"
    if isinstance(type_, pa.StructType):
        return f"struct<{','.join(f'{field.name}:{hive(field.type)}' for field in type_)}>"
    return PLAIN[type_]


@pytest.fixture(scope="module")
def table(deployed: Deploy) -> Any:
    return deployed(Athena="true")["SpanTable"]["TableInput"]


def test_the_columns_are_those_of_every_span(table: Any) -> None:
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == {field.name: hive(field.type) for field in FIXED}


def test_partitions_are_found_where_blocks_are(deployed: Deploy, table: Any) -> None:
    template = table["Parameters"]["storage.location.template"]
    where = template.replace("${tenant}", BLOCK.tenant).replace("${date}", BLOCK.date.isoformat())
    lake = f"s3://{deployed(Athena='true').outputs['Bucket']}"
    assert f"{lake}/{BLOCK.path}" == f"{where}ab.parquet"
    assert table["StorageDescriptor"]["Location"] == f"{lake}/spans/"
    assert [key["Name"] for key in table["PartitionKeys"]] == ["tenant", "date"]


def test_partitions_are_worked_out(table: Any) -> None:
    parameters = table["Parameters"]
    assert (parameters["EXTERNAL"], parameters["projection.enabled"]) == ("TRUE", "true")
    assert parameters["projection.tenant.type"] == "injected"
    assert (parameters["projection.date.type"], parameters["projection.date.format"]) == ("date", "yyyy-MM-dd")


def test_days_reach_as_far_as_objects(template: Template, table: Any, packaged: Mapping[str, Any]) -> None:
    assert table["Parameters"]["projection.date.range"] == "NOW-21DAYS,NOW+1DAYS"
    for days, found in template.content["Mappings"]["Retention"].items():
        oldest = "2020-01-01" if days == "0" else f"NOW-{found['ObjectDays']}DAYS"
        resources = dict(of_sam(packaged, {"Athena": "true", "RetentionDays": days}).resources())
        parameters = resources["Analytics/SpanTable"].properties["TableInput"]["Parameters"]
        assert parameters["projection.date.range"] == f"{oldest},NOW+1DAYS"


def test_a_query_is_stopped_when_it_scans_too_much(deployed: Deploy) -> None:
    configuration = deployed(Athena="true", AthenaScanLimitBytes="20000000")["Workgroup"]["WorkGroupConfiguration"]
    assert int(configuration["BytesScannedCutoffPerQuery"]) == 20_000_000
    assert configuration["EnforceWorkGroupConfiguration"] is True
    result = configuration["ResultConfiguration"]
    assert (
        result["OutputLocation"]
        == f"s3://{deployed(Athena='true', AthenaScanLimitBytes='20000000').outputs['Bucket']}/athena/"
    )
    assert result["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}


def test_functions_are_told_where_to_ask(deployed: Deploy) -> None:
    deployment = deployed(Athena="true", GlueDatabaseName="lake_of_tests")
    query, compact, expire = (deployment.environments[name] for name in ("query", "compact", "expire"))
    assert query["SPANLAKE_ATHENA_WORKGROUP"] == deployment["Workgroup"]["Name"] == "spanlake"
    tables = [environment["SPANLAKE_GLUE_TABLE"] for environment in (query, compact, expire)]
    assert tables == 3 * ["lake_of_tests.spans"]
    assert deployment.outputs["AthenaTable"] == "lake_of_tests.spans"


def test_athena_is_off_until_it_is_asked_for(deployed: Deploy) -> None:
    deployment = deployed()
    assert not [found for found in deployment.resources.values() if "Glue" in found.type or "Athena" in found.type]
    for name in ("query", "compact", "expire"):
        assert deployment.environments[name]["SPANLAKE_GLUE_TABLE"] == ""
    assert deployment.environments["query"]["SPANLAKE_ATHENA_WORKGROUP"] == ""
    assert "athena:" not in str([deployment["QueryRole"], deployment["CompactRole"]])


def test_an_alarm_is_raised_when_a_day_has_scanned_too_much(deployed: Deploy) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    deployment = deployed(Athena="true", AlarmTopicArn=topic, AthenaBytesPerDay="1000")
    alarm = deployment["TooMuchIsScanned"]
    assert (alarm["Namespace"], alarm["MetricName"], int(alarm["Threshold"])) == ("AWS/Athena", "ProcessedBytes", 1000)
    assert {"Name": "WorkGroup", "Value": deployment["Workgroup"]["Name"]} in alarm["Dimensions"]
    assert deployment["Workgroup"]["WorkGroupConfiguration"]["PublishCloudWatchMetricsEnabled"] is True
