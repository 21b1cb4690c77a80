"""The functions that take spans in, answer queries and look after blocks, and what wakes them."""

import json
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from spanlake_cdk.function import Function, Shape
from spanlake_cdk.included import Included
from spanlake_cdk.layers import Layers
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
        tokens_arn: str,
    ) -> None:
        super().__init__(scope, name)
        self._tokens_arn = tokens_arn
        self._settings = settings
        self._folder = folder
        self._layers = layers
        self._storage = storage
        self.undone = self._queue()
        self._roles = self._all_roles()
        # By name: a function that refers to its own alias would be a circle.
        self._compacting = f"{Stack.of(self).stack_name}-compact:live"
        self.ingest = self._ingest()
        self.query = self._query()
        self.compact = self._compact()
        self.expire = self._expire()

    def _function(self, name: str, shape: Shape) -> Function:
        return Function(self, name, self._settings, self._folder / name.lower(), shape)

    def _environment(self) -> Mapping[str, str]:
        return {**self._storage.locations, "SPANLAKE_RETENTION": self._settings.retention}

    def _queue(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "Undone",
            retention_period=Duration.days(14),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
        if key := self._settings.kms_key_arn:
            resource = queue.node.default_child
            assert isinstance(resource, sqs.CfnQueue)
            resource.sqs_managed_sse_enabled, resource.kms_master_key_id = None, key
        return queue

    def _all_roles(self) -> Included:
        settings = self._settings
        parameters = {
            "Name": Stack.of(self).stack_name,
            "Bucket": self._storage.bucket,
            "Table": self._storage.table,
            "TokensArn": self._tokens_arn,
            "UndoneArn": self.undone.queue_arn,
            "GlueDatabaseName": settings.glue_database_name if settings.athena else "",
            "Tracing": str(settings.tracing).lower(),
            "IsInVpc": str(bool(settings.function_subnet_ids)).lower(),
            "KmsKeyArn": settings.kms_key_arn,
            "PermissionsBoundary": settings.permissions_boundary_arn,
        }
        return Included(Stack.of(self), "Roles", "roles", parameters)

    def role(self, function: str) -> iam.IRole:
        """Return the role of a function."""
        arn = self._roles.output(f"{function}Role")
        return iam.Role.from_role_arn(self, f"{function}Role", arn, mutable=False)

    def _ingest(self) -> Function:
        settings = self._settings
        shape = Shape(
            description="Takes spans in over HTTP",
            memory_mib=settings.ingest_memory_mib,
            seconds=30,
            layers=[self._layers.common],
            environment={
                **self._environment(),
                "SPANLAKE_BASE_PATH": f"/{settings.base_path}",
                "SPANLAKE_TENANT_CLAIM": settings.tenant_claim,
                "SPANLAKE_MAX_REQUEST_BYTES": settings.max_request_bytes,
            },
            role=self.role("Ingest"),
            snap_start=settings.starts_from_snapshots,
            concurrency=settings.ingest_concurrency,
        )
        return self._function("Ingest", shape)

    def _query(self) -> Function:
        settings = self._settings
        shape = Shape(
            description="Answers the Tempo API",
            memory_mib=settings.query_memory_mib,
            seconds=30,
            layers=[self._layers.query, self._layers.common],
            environment={**self._environment(), **self._query_limits(), **self._athena()},
            role=self.role("Query"),
            snap_start=settings.starts_from_snapshots,
            concurrency=settings.query_concurrency,
        )
        return self._function("Query", shape)

    def _query_limits(self) -> Mapping[str, str]:
        settings = self._settings
        return {
            "SPANLAKE_BASE_PATH": f"/{settings.base_path}",
            "SPANLAKE_TENANT_CLAIM": settings.tenant_claim,
            "SPANLAKE_PARTIAL_ANSWERS": "false",
            "SPANLAKE_QUERY_TIMEOUT": settings.query_timeout_seconds,
            "SPANLAKE_QUERY_MEMORY": settings.query_memory_limit,
            "SPANLAKE_QUERY_SPANS": settings.query_spans_limit,
            "SPANLAKE_QUERY_SERIES": settings.query_series_limit,
            "SPANLAKE_QUERY_POINTS": settings.query_points_limit,
            "SPANLAKE_QUERY_SPANSETS": settings.query_spansets_limit,
            "SPANLAKE_QUERY_TERMS": settings.query_terms_limit,
            "SPANLAKE_PAGE_LINKS": "",
        }

    def _athena(self) -> Mapping[str, str]:
        return {
            "SPANLAKE_ATHENA_WORKGROUP": Stack.of(self).stack_name if self._settings.athena else "",
            "SPANLAKE_GLUE_TABLE": self._settings.span_table,
            "SPANLAKE_ATHENA_ABOVE": self._settings.athena_above,
        }

    def _compact(self) -> Function:
        settings = self._settings
        shape = Shape(
            description="Merges small blocks into larger ones",
            memory_mib=settings.compact_memory_mib,
            seconds=900,
            layers=[self._layers.common],
            environment={
                **self._environment(),
                "SPANLAKE_QUERY_TIMEOUT": settings.query_timeout_seconds,
                "SPANLAKE_GLUE_TABLE": settings.span_table,
                "SPANLAKE_KEEP_REPLACED": _KEPT,
                "SPANLAKE_COMPACT_FUNCTION": self._compacting,
            },
            role=self.role("Compact"),
            concurrency=settings.compact_concurrency,
        )
        compact = self._function("Compact", shape)
        lambda_.EventSourceMapping(
            compact.function,
            "NewBlocks",
            target=compact.alias,
            event_source_arn=self._storage.stream_arn,
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
        settings = self._settings
        shape = Shape(
            description="Removes what is too old, replaced or nobody's",
            memory_mib=settings.compact_memory_mib,
            seconds=900,
            layers=[self._layers.common],
            environment={
                **self._environment(),
                "SPANLAKE_QUERY_TIMEOUT": settings.query_timeout_seconds,
                "SPANLAKE_KEEP_REPLACED": _KEPT,
                "SPANLAKE_GLUE_TABLE": settings.span_table,
                "SPANLAKE_GARBAGE_SHARE": "0.05",
                "SPANLAKE_COMPACT_FUNCTION": self._compacting,
            },
            role=self.role("Expire"),
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
