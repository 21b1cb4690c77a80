"""The CDK app deploys what the SAM template deploys."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from spanlake.store.index.dynamodb.table import create_table
from tests.infra.alike import differences
from tests.infra.cdk import APP, STACK, Assembly, environment, synth, synth_all
from tests.infra.deployment import BUCKET
from tests.infra.kept import ACCOUNT, REGION, register
from tests.infra.sam import transformed
from tests.infra.sources import of_cdk, of_sam

_TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
_CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"
_IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/spanlake-edge@sha256:{64 * '0'}"
_KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
_TABLE = "spanlake-index-1"
_STREAM = f"arn:aws:dynamodb:us-east-1:123456789012:table/{_TABLE}/stream/1"
_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tokens-AbCdEf"  # a name and not a secret
_VPC, _SUBNETS = "vpc-0123456789abcdef0", ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")

CHOICES: Mapping[str, Mapping[str, str]] = {
    "nothing": {},
    "JSON Web Tokens, and the edge in a VPC of its own": {
        "RetentionDays": "0",
        "JwtIssuer": "https://issuer.example",
        "JwtAudience": "spanlake",
        "TenantClaim": "org",
        "TenantMap": "collector=shop",
        "DefaultTenant": "all",
        "JwtRoles": "none",
        "CorsOrigins": "*",
        "AlarmTopicArn": _TOPIC,
        "EdgeImage": _IMAGE,
        "EdgeCertificateArn": _CERTIFICATE,
        "EdgeScheme": "internet-facing",
        "EdgeTokensSecretArn": _SECRET,
        "EdgeUdpTenant": "devices",
        "EdgeClients": "10.1.0.0/16",
        "EdgeTasksLeast": "2",
        "EdgeTasksMost": "8",
    },
    "signatures of IAM, a REST API, an open edge and canaries": {
        "UseIam": "true",
        "TenantMap": "collector=shop",
        "RestApi": "true",
        "Rollout": "Linear10PercentEvery1Minute",
        "EdgeImage": _IMAGE,
        "EdgeVpcId": _VPC,
        "EdgeSubnetIds": ",".join(_SUBNETS),
        "EdgeTokensSecretArn": "none",
    },
    "an earlier stack's bucket and table, and addresses for alarms": {
        "ExistingTokensArn": _SECRET,
        "RestApi": "true",
        "ExistingBucket": "spanlake-lake-1",
        "ExistingTable": _TABLE,
        "ExistingTableStreamArn": _STREAM,
        "Athena": "true",
        "AlarmEmail": "traces@example.com",
        "DomainName": "traces.example.com",
        "DomainCertificateArn": _CERTIFICATE,
    },
    "everything otherwise, and the edge in a VPC that is there": {
        "RetentionDays": "30",
        "KeepTable": "false",
        "AthenaScanLimitBytes": "20000000",
        "KmsKeyArn": _KEY,
        "Athena": "true",
        "AthenaBytesPerDay": "1000",
        "GlueDatabaseName": "traces",
        "DomainName": "traces.example.com",
        "DomainCertificateArn": _CERTIFICATE,
        "BasePath": "lake",
        "Architecture": "x86_64",
        "FunctionSubnetIds": ",".join(_SUBNETS),
        "FunctionSecurityGroupIds": "sg-0123456789abcdef0",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "Rollout": "Canary10Percent5Minutes",
        "TokenCacheSeconds": "60",
        "CorsOrigins": "https://shop.example,http://localhost:8080",
        "RequestsPerSecond": "7",
        "RequestsAtOnce": "9",
        "AuthorizeConcurrency": "2",
        "IngestConcurrency": "3",
        "QueryConcurrency": "4",
        "CompactConcurrency": "5",
        "IngestMemoryMiB": "2048",
        "QueryMemoryMiB": "3008",
        "CompactMemoryMiB": "1536",
        "SnapStart": "PublishedVersions",
        "MaxRequestBytes": "32MiB",
        "QueryTimeoutSeconds": "20",
        "QueryMemoryLimit": "512MiB",
        "QuerySpansLimit": "1",
        "QuerySeriesLimit": "2",
        "QueryPointsLimit": "3",
        "QuerySpansetsLimit": "4",
        "QueryTermsLimit": "5",
        "AthenaAbove": "8GiB",
        "AlarmTopicArn": _TOPIC,
        "LogRetentionDays": "30",
        "LogLevel": "DEBUG",
        "Tracing": "true",
        "EdgeImage": _IMAGE,
        "EdgeVpcId": _VPC,
        "EdgeSubnetIds": ",".join(_SUBNETS),
        "EdgeAssignPublicIp": "DISABLED",
        "EdgeSize": "xlarge",
    },
}

# The CDK has a function wait for its role, which it names anyhow.
_REDUNDANT_DEPENDENCY = "W3005"


OTHER_LAYERS = "nothing, with other layers"
Synthesised = Callable[[str], Assembly]


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers that are empty."""
    return _layers(tmp_path_factory.mktemp("layers"), "")


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory: pytest.TempPathFactory, layers: Path) -> Synthesised:
    """Returns the CDK's output by choice; of no choice, with other layers, as OTHER_LAYERS."""
    other = _layers(tmp_path_factory.mktemp("layers"), "spans = 1")
    wanted = {choice: {**context, "LayersFolder": str(layers)} for choice, context in CHOICES.items()}
    wanted[OTHER_LAYERS] = {"LayersFolder": str(other)}
    folders = {choice: tmp_path_factory.mktemp("assembly") for choice in wanted}
    synth_all({folders[choice]: context for choice, context in wanted.items()})
    return lambda choice: Assembly(folders[choice])


@pytest.fixture(scope="session", params=CHOICES)
def choice(request: pytest.FixtureRequest) -> str:
    """The name of a choice."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def assembly(choice: str, synthesised: Synthesised) -> Assembly:
    """Returns the CDK's output for the choice."""
    return synthesised(choice)


def _layers(folder: Path, content: str) -> Path:
    """Folders that stand in for the layers that ``make layers`` makes."""
    for layer in ("common", "query"):
        (folder / layer / "python").mkdir(parents=True)
        (folder / layer / "python" / "content.py").write_text(content)
    return folder


def test_command_writes_the_same_without_warnings(synthesised: Synthesised, layers: Path, tmp_path: Path) -> None:
    """As the app alone, by which other tests write."""
    assembly = Assembly(tmp_path / "assembly")
    done = synth(assembly.folder, {"LayersFolder": str(layers)})
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    assert assembly.load(assembly.stack) == assembly.load(synthesised("nothing").stack)


def test_cdk_warns_of_nothing(assembly: Assembly) -> None:
    assert assembly.warnings == []


def test_both_deploy_the_same(assembly: Assembly, choice: str) -> None:
    packaged = transformed(BUCKET, CHOICES[choice].get("Rollout", "AllAtOnce"))
    sam, cdk = of_sam(packaged, CHOICES[choice]), of_cdk(assembly)
    only_sam, only_cdk = differences(sam, cdk)
    assert [json.loads(line) for line in only_sam] == [json.loads(line) for line in only_cdk]
    assert sam.outputs() == cdk.outputs()


def test_templates_are_valid(synthesised: Synthesised) -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    templates = [str(template) for choice in CHOICES for template in synthesised(choice).templates]
    command = [str(linter), "--ignore-checks", _REDUNDANT_DEPENDENCY, "--", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cloudformation_makes_it(assembly: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)  # of servers that stand in for AWS in other tests
    register()
    with mock_aws():
        _bootstrap(assembly)
        client = boto3.client("cloudformation", region_name=REGION)
        template = _text(assembly.stack)
        if _STREAM in template:
            template = template.replace(_STREAM, _left_table())
        client.create_stack(StackName=STACK, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
        made = client.describe_stack_resources(StackName=STACK)["StackResources"]
    expected = [resource["Type"] for resource in assembly.load(assembly.stack)["Resources"].values()]
    assert Counter(resource["ResourceType"] for resource in made) == Counter(expected)
    assert {output["OutputKey"] for output in stack["Outputs"]} == of_cdk(assembly).outputs().keys()


def _bootstrap(assembly: Assembly) -> None:
    """Do what ``cdk bootstrap`` does, and what ``cdk deploy`` does first."""
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
    version = {"Name": "/cdk-bootstrap/hnb659fds/version", "Value": "30", "Type": "String"}
    boto3.client("ssm", region_name=REGION).put_parameter(**version)
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(Bucket=bucket)
    for file in assembly.files.values():
        source = assembly.folder / file["source"]["path"]
        body = _archive(source) if file["source"]["packaging"] == "zip" else _text(source).encode()
        (destination,) = file["destinations"].values()
        client.put_object(Bucket=bucket, Key=destination["objectKey"], Body=body)


def _left_table() -> str:
    """Make the table that an earlier stack has left; returns the ARN of its stream."""
    client = boto3.client("dynamodb", region_name=REGION)
    create_table(client, _TABLE)
    made = client.update_table(
        TableName=_TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    )
    return made["TableDescription"]["LatestStreamArn"]


def _text(template: Path) -> str:
    """A template, in the network that every account has from the start."""
    subnets = boto3.client("ec2", region_name=REGION).describe_subnets()["Subnets"]
    text = template.read_text().replace(_VPC, subnets[0]["VpcId"])
    for chosen, there in zip(_SUBNETS, subnets, strict=False):
        text = text.replace(chosen, there["SubnetId"])
    return text


def _archive(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.glob("*.py"):
            archive.write(path, path.name)
    return packed.getvalue()


def test_new_layers_are_new_versions(synthesised: Synthesised) -> None:
    """Of all functions, whose aliases would stay with the old ones."""
    before, after = synthesised("nothing"), synthesised(OTHER_LAYERS)
    assert len(_versions(before)) == len(_versions(after)) == 5
    assert not _versions(before) & _versions(after)


def _versions(assembly: Assembly) -> set[str]:
    resources = assembly.load(assembly.stack)["Resources"].items()
    return {name for name, resource in resources if resource["Type"] == "AWS::Lambda::Version"}


def test_types_are_right(tmp_path: Path) -> None:
    options = ["--python-executable", str(environment() / "python"), "--cache-dir", str(tmp_path)]
    command = [sys.executable, "-m", "mypy", *options, "app.py", "spanlake_cdk"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=APP)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_layers_it_says_how_to_make_them(tmp_path: Path) -> None:
    done = synth(tmp_path / "assembly", {"LayersFolder": str(tmp_path / "layers")})
    assert done.returncode != 0
    assert f"there is no {tmp_path / 'layers' / 'common'}; `make layers` makes it" in done.stderr
