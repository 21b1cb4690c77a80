"""When compaction and maintenance run, what becomes of what fails, and who hears of it."""

import re

from spanlake.aws.telemetry import Metric
from tests.infra.conftest import Deploy
from tests.infra.deployment import STACK, Deployment

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


def alias(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{STACK}-{name}:live"


def test_new_blocks_wake_compaction(deployed: Deploy) -> None:
    (source,) = deployed().of_type("AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionName"] == alias("compact")
    assert source["EventSourceArn"].partition("/stream/")[0].endswith(f":table/{deployed().outputs['Table']}")
    assert source["StartingPosition"] == "TRIM_HORIZON"
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BisectBatchOnFunctionError"] is True


def test_maintenance_is_done_once_a_day(deployed: Deploy) -> None:
    (rule,) = deployed().of_type("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "cron(17 2 * * ? *)"
    assert [target["Arn"] for target in rule["Targets"]] == [alias("expire")]


def test_what_is_given_up_is_told_in_a_queue(deployed: Deploy) -> None:
    deployment = deployed()
    (queue,) = [
        found["Resource"]
        for found in deployment["CompactRole"]["Policies"][0]["PolicyDocument"]["Statement"]
        if found and found["Action"] == "sqs:SendMessage"
    ]
    assert queue.split(":")[5].startswith(f"{STACK}-Undone-")
    (source,) = deployment.of_type("AWS::Lambda::EventSourceMapping").values()
    invocations = list(deployment.of_type("AWS::Lambda::EventInvokeConfig").values())
    for given_up in (source, *invocations):
        assert given_up["DestinationConfig"] == {"OnFailure": {"Destination": queue}}
    assert sorted((one["FunctionName"], one["Qualifier"]) for one in invocations) == [
        (f"{STACK}-compact", "live"),
        (f"{STACK}-expire", "live"),
    ]


def test_units_of_compaction_are_handed_to_its_function(deployed: Deploy) -> None:
    deployment = deployed()
    for name in ("Compact", "Expire"):
        variables = deployment[f"{name}Function"]["Environment"]["Variables"]
        assert variables["SPANLAKE_COMPACT_FUNCTION"] == f"{STACK}-compact:live"
        (invoked,) = [
            found["Resource"]
            for found in deployment[f"{name}Role"]["Policies"][0]["PolicyDocument"]["Statement"]
            if found and found["Action"] == "lambda:InvokeFunction"
        ]
        assert invoked == alias("compact")


def alarms(deployment: Deployment) -> dict[str, str]:
    """Returns the metric of each alarm."""
    found = deployment.of_type("AWS::CloudWatch::Alarm")
    return {
        name: " ".join(
            [alarm["Namespace"], alarm["MetricName"], *(one["Value"] for one in alarm.get("Dimensions", []))]
        )
        for name, alarm in found.items()
    }


def test_somebody_hears_of_what_is_wrong(deployed: Deploy) -> None:
    deployment = deployed(AlarmTopicArn=TOPIC)
    queue = deployment.outputs["UndoneQueueUrl"].rpartition("/")[2]
    functions = ("authorize", "ingest", "query", "compact", "expire")
    assert sorted(alarms(deployment).values()) == sorted(
        [
            *(f"AWS/Lambda Errors {STACK}-{name}" for name in functions),
            *(f"AWS/Lambda Duration {STACK}-{name}" for name in functions),
            f"AWS/Lambda Invocations {STACK}-expire",
            f"AWS/DynamoDB ReadThrottleEvents {deployment.outputs['Table']}",
            f"AWS/DynamoDB WriteThrottleEvents {deployment.outputs['Table']}",
            f"{STACK} RequestsTooLarge",
            f"{STACK} RequestsThrottled",
            f"{STACK} RequestsUnauthorized",
            *(f"AWS/Lambda Throttles {STACK}-{name}" for name in functions if name != "expire"),
            f"AWS/Lambda IteratorAge {STACK}-compact",
            f"{STACK} BlocksWaiting spanlake-compact",
            f"{STACK} DaysQuarantined spanlake-compact",
            f"AWS/SQS ApproximateNumberOfMessagesVisible {queue}",
            "AWS/ApiGateway 5xx Api",
            f"{STACK} {Metric.SPANS_REJECTED} spanlake-ingest",
            f"{STACK} {Metric.GARBAGE_REFUSED} spanlake-expire",
            f"{STACK} {Metric.BLOCKS_MISSING} spanlake-query",
        ]
    )
    for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]
        assert alarm["TreatMissingData"] == ("missing" if alarm["MetricName"] == "Invocations" else "notBreaching")


def test_the_metric_of_spans_is_where_the_function_puts_it(deployed: Deploy) -> None:
    deployment = deployed(AlarmTopicArn=TOPIC)
    alarm, variables = deployment["SpansAreRejected"], deployment.environments["ingest"]
    assert alarm["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"] == deployment.outputs["MetricsNamespace"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]


def test_nobody_pays_for_alarms_that_nobody_hears(deployed: Deploy) -> None:
    assert not alarms(deployed())


def test_without_tokens_there_is_no_alarm_of_them(deployed: Deploy) -> None:
    found = alarms(deployed(AlarmTopicArn=TOPIC, JwtIssuer="https://issuer.example", JwtAudience="spanlake"))
    with_tokens = alarms(deployed(AlarmTopicArn=TOPIC))
    assert with_tokens.keys() - found.keys() == {"AuthorizeErrors", "AuthorizeThrottles", "AuthorizeIsSlow"}


def test_alarms_go_to_an_address_where_no_topic_is_named(deployed: Deploy) -> None:
    deployment = deployed(AlarmEmail="traces@example.com")
    assert deployment["AlarmTopic"]["Subscription"] == [{"Protocol": "email", "Endpoint": "traces@example.com"}]
    (topic,) = {
        action for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values() for action in alarm["OKActions"]
    }
    assert topic.startswith("arn:aws:sns:")
    assert "AlarmTopic" not in deployed(AlarmEmail="traces@example.com", AlarmTopicArn=TOPIC).resources


def test_functions_are_slow_before_they_are_stopped(deployed: Deploy) -> None:
    deployment = deployed(AlarmTopicArn=TOPIC)
    for name in ("Authorize", "Ingest", "Query", "Compact", "Expire"):
        alarm, timeout_ms = deployment[f"{name}IsSlow"], 1000 * int(deployment[f"{name}Function"]["Timeout"])
        assert 0.7 * timeout_ms < int(alarm["Threshold"]) < timeout_ms
        assert alarm["Statistic"] == "Maximum"


def test_a_run_that_does_not_begin_is_heard_of(deployed: Deploy) -> None:
    """A function that is not called has no metrics, so that the alarm lacks data; a new stack has had none yet."""
    alarm = deployed(AlarmTopicArn=TOPIC)["ExpireHasNotRun"]
    assert alarm["InsufficientDataActions"] == [TOPIC]
    assert (alarm["Period"], alarm["Threshold"], alarm["ComparisonOperator"]) == (86400, 1, "LessThanThreshold")


def test_what_api_gateway_refuses_is_counted_from_its_log(deployed: Deploy) -> None:
    deployment = deployed(AlarmTopicArn=TOPIC)
    line = dict.fromkeys(re.findall(r'"(\w+)": "', deployment["Stage"]["AccessLogSettings"]["Format"]), "x")
    filters = deployment.of_type("AWS::Logs::MetricFilter").values()
    assert {found["LogGroupName"] for found in filters} == {f"/aws/vendedlogs/{STACK}/api"}
    counted = {}
    for found in filters:
        (transformation,) = found["MetricTransformations"]
        assert transformation["MetricNamespace"] == deployment.outputs["MetricsNamespace"]
        fields = re.findall(r'\$\.(\w+) = "(\d+)"', found["FilterPattern"])
        assert {name for name, _ in fields} <= line.keys()
        counted[transformation["MetricName"]] = [status for _, status in fields]
    assert counted == {
        "RequestsTooLarge": ["413"],
        "RequestsThrottled": ["429"],
        "RequestsUnauthorized": ["401", "403"],
    }
    own = {alarm["MetricName"] for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values()}
    assert counted.keys() <= own
