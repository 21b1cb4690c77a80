"""Defines Athena's resources: the table in the Glue catalog, and a workgroup that stops queries that scan too much."""

from aws_cdk import Aws, Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from constructs import Construct

from spanlake_cdk.glue_columns import COLUMNS
from spanlake_cdk.settings import Settings
from spanlake_cdk.storage import Storage

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class Analytics(Construct):
    """A table of all spans, and who may ask it how much."""

    def __init__(self, scope: Construct, name: str, settings: Settings, storage: Storage) -> None:
        super().__init__(scope, name)
        self._stack = Stack.of(self)
        self._lake = storage.lake.bucket_name
        database = glue.CfnDatabase(
            self,
            "GlueDatabase",
            catalog_id=Aws.ACCOUNT_ID,
            database_input={"name": settings.glue_database_name, "description": "Spans of spanlake"},
        )
        self._database = settings.glue_database_name
        self._table = self._span_table(database.ref, settings).ref
        self.workgroup = self._workgroup(settings.athena_scan_limit_bytes).ref

    @property
    def table(self) -> str:
        """The table's name with its database's."""
        return f"{self._database}.{self._table}"

    @property
    def table_arns(self) -> tuple[str, ...]:
        """ARNs that a permission for the table has to name."""
        table = f"table/{self._database}/{self._table}"
        return self._arn("glue", "catalog"), self._arn("glue", f"database/{self._database}"), self._arn("glue", table)

    @property
    def workgroup_arn(self) -> str:
        """The workgroup's ARN."""
        return self._arn("athena", f"workgroup/{self.workgroup}")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"

    def _span_table(self, database: str, settings: Settings) -> glue.CfnTable:
        property_ = glue.CfnTable
        columns = [property_.ColumnProperty(name=name, type=type_) for name, type_ in COLUMNS.items()]
        return glue.CfnTable(
            self,
            "SpanTable",
            catalog_id=Aws.ACCOUNT_ID,
            database_name=database,
            table_input=property_.TableInputProperty(
                name="spans",
                description="One row a span; the columns of attributes are added when there are any",
                table_type="EXTERNAL_TABLE",
                parameters={"EXTERNAL": "TRUE", "classification": "parquet", **self._projection(settings.object_days)},
                partition_keys=[
                    property_.ColumnProperty(name="tenant", type="string"),
                    property_.ColumnProperty(name="date", type="string"),
                ],
                storage_descriptor=property_.StorageDescriptorProperty(
                    location=f"s3://{self._lake}/spans/",
                    input_format=f"{_PARQUET}.MapredParquetInputFormat",
                    output_format=f"{_PARQUET}.MapredParquetOutputFormat",
                    serde_info=property_.SerdeInfoProperty(serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe"),
                    columns=columns,
                ),
            ),
        )

    def _projection(self, object_days: int | None) -> dict[str, str]:
        """Partitions are worked out, so that nobody has to look for new ones.

        A query names its tenant, by what stands in the path, and so reads no other's spans.
        """
        first = f"NOW-{object_days}DAYS" if object_days is not None else "2020-01-01"
        return {
            "projection.enabled": "true",
            "projection.tenant.type": "injected",
            "projection.date.type": "date",
            "projection.date.format": "yyyy-MM-dd",
            "projection.date.range": f"{first},NOW+1DAYS",
            "storage.location.template": f"s3://{self._lake}/spans/tenant=${{tenant}}/date=${{date}}/",
        }

    def _workgroup(self, scan_limit_bytes: int) -> athena.CfnWorkGroup:
        property_ = athena.CfnWorkGroup
        return athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=self._stack.stack_name,
            description="Questions about spans",
            state="ENABLED",
            recursive_delete_option=True,
            work_group_configuration=property_.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                bytes_scanned_cutoff_per_query=scan_limit_bytes,
                publish_cloud_watch_metrics_enabled=False,
                engine_version=property_.EngineVersionProperty(selected_engine_version="Athena engine version 3"),
                result_configuration=property_.ResultConfigurationProperty(
                    output_location=f"s3://{self._lake}/athena/",
                    expected_bucket_owner=Aws.ACCOUNT_ID,
                    encryption_configuration=property_.EncryptionConfigurationProperty(encryption_option="SSE_S3"),
                ),
            ),
        )
