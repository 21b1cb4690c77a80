"""Defines the alarms, which notify a topic of SNS."""

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from spanlake_cdk.api import Api
from spanlake_cdk.function import Function
from spanlake_cdk.functions import Functions

_MOST_WAITING = 20_000  # blocks of a day, which a query still reads in its time
_HOUR = 3_600_000  # milliseconds


@dataclass(frozen=True)
class _Alarm:
    """An alarm of more than so much, in so many periods of five minutes one after another."""

    name: str
    description: str
    metric: cloudwatch.Metric
    periods: int = 1
    threshold: int = 0


class Alarms(Construct):
    """All alarms. Each costs 10 cents a month, so that there are none when nobody would hear them."""

    def __init__(
        self, scope: Construct, name: str, *, topic_arn: str, functions: Functions, api: Api, authorize: Function | None
    ) -> None:
        super().__init__(scope, name)
        self._action = actions.SnsAction(sns.Topic.from_topic_arn(self, "Topic", topic_arn))
        callable_ = {"Ingest": functions.ingest, "Query": functions.query, "Compact": functions.compact}
        if authorize is not None:
            callable_["Authorize"] = authorize
        self._create(_errors({**callable_, "Expire": functions.expire}))
        self._create(_throttles(callable_))
        self._create(_upkeep(functions))
        self._create(_storage(Stack.of(self).stack_name))
        self._create(_compaction(Stack.of(self).stack_name))
        self._create(_requests(api, Stack.of(self).stack_name))

    def _create(self, alarms: Iterable[_Alarm]) -> None:
        for alarm in alarms:
            created = alarm.metric.create_alarm(
                self,
                alarm.name,
                alarm_description=alarm.description,
                evaluation_periods=alarm.periods,
                threshold=alarm.threshold,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            created.add_alarm_action(self._action)
            created.add_ok_action(self._action)


def _errors(functions: dict[str, Function]) -> Iterable[_Alarm]:
    for name, function in functions.items():
        description = f"spanlake's function {name.lower()} fails; its log says why"
        yield _Alarm(f"{name}Errors", description, _of_function(function, "Errors"))


def _throttles(functions: dict[str, Function]) -> Iterable[_Alarm]:
    for name, function in functions.items():
        description = f"spanlake's function {name.lower()} is called more often at once than it may be"
        yield _Alarm(f"{name}Throttles", description, _of_function(function, "Throttles"), periods=3)


def _upkeep(functions: Functions) -> Iterable[_Alarm]:
    age = _of_function(functions.compact, "IteratorAge", "Maximum")
    yield _Alarm("CompactionIsBehind", "Blocks wait for more than an hour to be merged", age, threshold=_HOUR)
    waiting = _metric(
        "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": functions.undone.queue_name}, "Maximum"
    )
    description = "Compaction or upkeep has given up on something; the message in the queue says on what"
    yield _Alarm("WorkIsUndone", description, waiting)


def _storage(namespace: str) -> Iterable[_Alarm]:
    description = (
        "Objects without an index entry were left in the bucket since they might be data; "
        "spanlake reindex takes them in"
    )
    refused = _metric(namespace, "GarbageRefused", {"service": "spanlake-expire"})
    yield _Alarm("GarbageIsRefused", description, refused)
    description = "Blocks in the index have no objects; the log of the function query names them"
    missing = _metric(namespace, "BlocksMissing", {"service": "spanlake-query"})
    yield _Alarm("BlocksAreMissing", description, missing)


def _compaction(namespace: str) -> Iterable[_Alarm]:
    of_compact = {"service": "spanlake-compact"}
    waiting = _metric(namespace, "BlocksWaiting", of_compact, "Maximum")
    description = "More blocks of one day come than are merged; raise CompactConcurrency"
    yield _Alarm("BlocksAreWaiting", description, waiting, periods=3, threshold=_MOST_WAITING)
    quarantined = _metric(namespace, "DaysQuarantined", of_compact, "Maximum")
    description = (
        "Blocks of a tenant's day can not be merged and are left alone; the log of the function compact says why"
    )
    yield _Alarm("DayIsQuarantined", description, quarantined)


def _requests(api: Api, namespace: str) -> Iterable[_Alarm]:
    failed = _metric("AWS/ApiGateway", "5xx", {"ApiId": api.api.api_id})
    yield _Alarm("ApiFails", "The API answers with 5xx", failed, periods=3)
    rejected = _metric(namespace, "SpansRejected", {"service": "spanlake-ingest"})
    description = (
        "Spans were not stored since they are malformed or too old; the log of the function ingest has the reasons"
    )
    yield _Alarm("SpansAreRejected", description, rejected, periods=3)


def _of_function(function: Function, metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
    return _metric("AWS/Lambda", metric, {"FunctionName": function.function.function_name}, statistic)


def _metric(namespace: str, name: str, dimensions: dict[str, str], statistic: str = "Sum") -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=Duration.minutes(5),
    )
