"""The functions that take spans in, answer queries and look after blocks, and what wakes them."""

import json
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from spanlake_cdk import permissions
from spanlake_cdk.analytics import Analytics
from spanlake_cdk.function import Function, Shape
from spanlake_cdk.layers import Layers
from spanlake_cdk.permissions import allow
from spanlake_cdk.settings import Settings
from spanlake_cdk.storage import Storage

# Fresh blocks, which are of level 0, and attributes that are new on a day. No other record invokes the function.
_NEWS = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "00#"}, {"prefix": "@"}]}}}}


class Functions(Construct):
    """All functions but the one that authorizes."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: Settings,
        *,
        folder: Path,
        layers: Layers,
        storage: Storage,
        analytics: Analytics,
    ) -> None:
        super().__init__(scope, name)
        self._settings = settings
        self._folder = folder
        self._layers = layers
        self._storage = storage
        self._analytics = analytics
        self._blocks = storage.lake.arn_for_objects("spans/*")
        self.undone = sqs.Queue(
            self, "Undone", retention_period=Duration.days(14), encryption=sqs.QueueEncryption.SQS_MANAGED
        )
        # By name: a function that refers to its own alias would be a circle.
        self._compacting = f"{Stack.of(self).stack_name}-compact:live"
        self._compacting_arn = Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=self._compacting,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.ingest = self._ingest()
        self.query = self._query()
        self.compact = self._compact()
        self.expire = self._expire()

    def _function(self, name: str, shape: Shape) -> Function:
        return Function(self, name, self._settings, self._folder / name.lower(), shape)

    def _environment(self) -> Mapping[str, str]:
        return {**self._storage.locations, "SPANLAKE_RETENTION": self._settings.retention}

    def _identity(self) -> iam.PolicyStatement:
        """Compares the id of the bucket with that of the table, and gives it one."""
        return allow("Identity", ["s3:GetObject", "s3:PutObject"], self._storage.lake.arn_for_objects("store.json"))

    def _ingest(self) -> Function:
        settings, storage = self._settings, self._storage
        shape = Shape(
            description="Takes spans in over HTTP",
            memory_mib=settings.ingest_memory_mib,
            seconds=30,
            layers=[self._layers.common],
            environment={
                **self._environment(),
                "SPANLAKE_TENANT_CLAIM": settings.tenant_claim,
                "SPANLAKE_MAX_REQUEST_BYTES": settings.max_request_bytes,
            },
            may=[
                allow("Blocks", ["s3:PutObject"], self._blocks),
                self._identity(),
                # Who may not list is told 403 of an object that is not there, and not 404.
                allow("Missing", ["s3:ListBucket"], storage.lake.bucket_arn),
                permissions.adds_blocks(storage.index.table_arn),
            ],
            snap_start=settings.starts_from_snapshots,
            concurrency=settings.ingest_concurrency,
        )
        return self._function("Ingest", shape)

    def _query(self) -> Function:
        settings, storage, analytics = self._settings, self._storage, self._analytics
        results = storage.lake.arn_for_objects("athena/*")
        shape = Shape(
            description="Answers the Tempo API",
            memory_mib=settings.query_memory_mib,
            seconds=30,
            layers=[self._layers.query, self._layers.common],
            environment={**self._environment(), **self._query_limits(), **self._athena()},
            may=[
                allow("Blocks", ["s3:GetObject"], self._blocks),
                self._identity(),
                allow("Deletions", ["s3:PutObject"], storage.lake.arn_for_objects("deletions/*")),
                # Who may not list is told 403 of an object that is gone, and not 404. Athena lists.
                allow("Missing", ["s3:ListBucket", "s3:GetBucketLocation"], storage.lake.bucket_arn),
                allow(
                    "Index",
                    ["dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:UpdateItem"],
                    storage.index.table_arn,
                ),
                allow("Athena", _ATHENA, analytics.workgroup_arn),
                allow("Columns", ["glue:GetDatabase", "glue:GetTable"], *analytics.table_arns),
                allow("ResultsOfAthena", _ATHENA_RESULTS, results),
            ],
            snap_start=settings.starts_from_snapshots,
            concurrency=settings.query_concurrency,
        )
        return self._function("Query", shape)

    def _query_limits(self) -> Mapping[str, str]:
        settings = self._settings
        return {
            "SPANLAKE_TENANT_CLAIM": settings.tenant_claim,
            "SPANLAKE_PARTIAL_ANSWERS": "false",
            "SPANLAKE_QUERY_TIMEOUT": settings.query_timeout_seconds,
            "SPANLAKE_QUERY_MEMORY": settings.query_memory_limit,
            "SPANLAKE_QUERY_SPANS": settings.query_spans_limit,
            "SPANLAKE_QUERY_SERIES": settings.query_series_limit,
            "SPANLAKE_QUERY_POINTS": settings.query_points_limit,
            "SPANLAKE_QUERY_SPANSETS": settings.query_spansets_limit,
            "SPANLAKE_QUERY_TERMS": settings.query_terms_limit,
        }

    def _athena(self) -> Mapping[str, str]:
        return {
            "SPANLAKE_ATHENA_WORKGROUP": self._analytics.workgroup,
            "SPANLAKE_GLUE_TABLE": self._analytics.table,
            "SPANLAKE_ATHENA_ABOVE": self._settings.athena_above,
        }

    def _compact(self) -> Function:
        settings, storage, analytics = self._settings, self._storage, self._analytics
        shape = Shape(
            description="Merges small blocks into larger ones",
            memory_mib=settings.compact_memory_mib,
            seconds=900,
            layers=[self._layers.common],
            environment={
                **self._environment(),
                "SPANLAKE_QUERY_TIMEOUT": settings.query_timeout_seconds,
                "SPANLAKE_GLUE_TABLE": analytics.table,
                "SPANLAKE_KEEP_REPLACED": _KEPT,
                "SPANLAKE_COMPACT_FUNCTION": self._compacting,
            },
            may=[
                allow("Blocks", _READS_AND_REPLACES, self._blocks),
                self._identity(),
                # Who may not list is told 403 of an object that is gone, and not 404.
                allow("Missing", ["s3:ListBucket"], storage.lake.bucket_arn),
                permissions.replaces_blocks(storage.index.table_arn),
                allow("Stream", _READS_STREAM, storage.stream_arn),
                allow("Streams", ["dynamodb:ListStreams"], f"{storage.index.table_arn}/stream/*"),
                allow("Columns", ["glue:GetTable", "glue:UpdateTable"], *analytics.table_arns),
                permissions.invokes(self._compacting_arn),
                permissions.sends_undone(self.undone.queue_arn),
            ],
            concurrency=settings.compact_concurrency,
        )
        compact = self._function("Compact", shape)
        lambda_.EventSourceMapping(
            compact.function,
            "NewBlocks",
            target=compact.alias,
            event_source_arn=storage.stream_arn,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[{"pattern": json.dumps(_NEWS)}],
            batch_size=10_000,
            max_batching_window=Duration.minutes(5),
            bisect_batch_on_error=True,
            retry_attempts=4,
            report_batch_item_failures=True,
            on_failure=event_sources.SqsDlq(self.undone),
        )
        compact.alias.configure_async_invoke(retry_attempts=2, on_failure=destinations.SqsDestination(self.undone))
        return compact

    def _expire(self) -> Function:
        settings, storage = self._settings, self._storage
        trash = storage.lake.arn_for_objects("trash/*")
        shape = Shape(
            description="Removes what is too old, replaced or nobody's",
            memory_mib=settings.compact_memory_mib,
            seconds=900,
            layers=[self._layers.common],
            environment={
                **self._environment(),
                "SPANLAKE_QUERY_TIMEOUT": settings.query_timeout_seconds,
                "SPANLAKE_KEEP_REPLACED": _KEPT,
                "SPANLAKE_GARBAGE_SHARE": "0.05",
                "SPANLAKE_COMPACT_FUNCTION": self._compacting,
            },
            may=[
                allow("Blocks", _READS_AND_REPLACES, self._blocks, trash),
                self._identity(),
                allow("Deletions", ["s3:DeleteObject", "s3:GetObject"], storage.lake.arn_for_objects("deletions/*")),
                allow("Garbage", ["s3:ListBucket"], storage.lake.bucket_arn),
                permissions.replaces_blocks(storage.index.table_arn),
                permissions.invokes(self._compacting_arn),
                permissions.sends_undone(self.undone.queue_arn),
            ],
        )
        expire = self._function("Expire", shape)
        expire.alias.configure_async_invoke(retry_attempts=2, on_failure=destinations.SqsDestination(self.undone))
        events.Rule(
            expire.function,
            "OnceADay",
            description="What no new block wakes compaction for",
            # Days are UTC's. An hour after one has ended, what is left of it is merged.
            schedule=events.Schedule.cron(hour="2", minute="17"),
            targets=[targets.LambdaFunction(expire.alias)],
        )
        return expire


_KEPT = "1d"  # a table that is restored to an earlier moment finds its objects
_READS_AND_REPLACES = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
_READS_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
_ATHENA = (
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
_ATHENA_RESULTS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject")
