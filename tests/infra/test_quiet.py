"""While nothing happens nothing runs, and nothing of what is there costs anything but storage."""

from tests.infra.conftest import Deploy

BY_USE = {
    "AWS::ApiGatewayV2::Api": "requests",
    "AWS::ApiGatewayV2::Authorizer": "",
    "AWS::ApiGatewayV2::Integration": "",
    "AWS::ApiGatewayV2::Route": "",
    "AWS::ApiGatewayV2::Stage": "",
    "AWS::CloudFormation::Stack": "",
    "AWS::DynamoDB::Table": "requests, where it is billed by them, and storage, of which backups are a copy",
    "AWS::Events::Rule": "events, of which those of AWS and of schedules are free",
    "AWS::IAM::Role": "",
    "AWS::Lambda::Alias": "",
    "AWS::Lambda::EventInvokeConfig": "",
    "AWS::Lambda::EventSourceMapping": "invocations: reading a table's stream for Lambda is free",
    "AWS::Lambda::Function": "requests and their duration",
    "AWS::Lambda::LayerVersion": "",
    "AWS::Lambda::Permission": "",
    "AWS::Lambda::Version": "snapshots, where there are any",
    "AWS::Logs::LogGroup": "bytes written, and storage",
    "AWS::S3::Bucket": "requests and storage",
    "AWS::S3::BucketPolicy": "",
    "AWS::SQS::Queue": "requests",
    "AWS::SQS::QueuePolicy": "",
}
"""Chargeable use by type of resource; empty where there is none."""
BY_MONTH = {"AWS::SecretsManager::Secret": "40 cents"}


def test_all_is_charged_for_by_use_but_the_secret(deployed: Deploy) -> None:
    deployment = deployed()
    assert {found.type for found in deployment.resources.values()} == BY_USE.keys() | BY_MONTH.keys()
    assert len(deployment.of_type("AWS::SecretsManager::Secret")) == 1


def test_with_tokens_of_an_issuer_all_is(deployed: Deploy) -> None:
    deployment = deployed(JwtIssuer="https://issuer.example", JwtAudience="spanlake")
    assert {found.type for found in deployment.resources.values()} == BY_USE.keys()


def test_rest_api_is_charged_for_by_use(deployed: Deploy) -> None:
    found = {one.type for one in deployed(RestApi="true").resources.values()}
    kinds = ("Authorizer", "Deployment", "Method", "Resource", "RestApi", "Stage")
    assert found - BY_USE.keys() - BY_MONTH.keys() == {f"AWS::ApiGateway::{kind}" for kind in kinds}


def test_gradual_rollout_costs_its_alarms(deployed: Deploy) -> None:
    deployment = deployed(Rollout="Canary10Percent5Minutes")
    found = {one.type for one in deployment.resources.values()}
    free = {"AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"}
    assert found - BY_USE.keys() - BY_MONTH.keys() == {*free, "AWS::CloudWatch::Alarm"}
    assert len(deployment.of_type("AWS::CloudWatch::Alarm")) == 4


def test_nothing_is_kept_ready(deployed: Deploy) -> None:
    deployment = deployed()
    assert deployment["Index"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {version["FunctionName"] for version in deployment.of_type("AWS::Lambda::Version").values()} == {
        function["FunctionName"] for function in deployment.of_type("AWS::Lambda::Function").values()
    }
    for version in deployment.of_type("AWS::Lambda::Version").values():
        assert version.keys() == {"Description", "FunctionName"}, "no provisioned concurrency"
    for function in deployment.of_type("AWS::Lambda::Function").values():
        assert function.get("SnapStart", {"ApplyOn": "None"}) == {"ApplyOn": "None"}


def test_only_the_daily_maintenance_runs_by_itself(deployed: Deploy) -> None:
    assert [*deployed().of_type("AWS::Events::Rule")] == ["ExpireFunctionOnceADay"]
