"""scripts/aws/versions.py: an alias goes back one version, and all versions and layers but two are removed."""

import importlib.util
import io
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.infra.kept import ACCOUNT, REGION
from tests.infra.template import ROOT

_ROLE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}


def load() -> Any:
    spec = importlib.util.spec_from_file_location("versions", ROOT / "scripts" / "aws" / "versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def archive(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("handler.py", text)
    return packed.getvalue()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Lambda with a function of four versions, the last of which is live, and a layer for each."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        boto3.client("iam", region_name=REGION).create_role(RoleName="r", AssumeRolePolicyDocument=str(_ROLE))
        found = boto3.client("lambda", region_name=REGION)
        role = f"arn:aws:iam::{ACCOUNT}:role/r"
        for number in range(1, 5):
            found.publish_layer_version(LayerName="traces-common", Content={"ZipFile": archive(f"layer {number}")})
            layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:traces-common:{number}"
            if number == 1:
                found.create_function(
                    FunctionName="traces-ingest",
                    Runtime="python3.13",
                    Role=role,
                    Handler="handler.handler",
                    Code={"ZipFile": archive("1")},
                    Layers=[layer],
                )
            else:
                found.update_function_code(FunctionName="traces-ingest", ZipFile=archive(str(number)))
                found.update_function_configuration(FunctionName="traces-ingest", Layers=[layer])
            found.publish_version(FunctionName="traces-ingest")
        found.create_alias(FunctionName="traces-ingest", Name="live", FunctionVersion="4")
        yield found


def test_an_alias_goes_back_one_version(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    versions = load()
    versions.main(["back", "traces", "ingest"])
    assert client.get_alias(FunctionName="traces-ingest", Name="live")["FunctionVersion"] == "3"
    versions.main(["show", "traces"])
    assert "traces-ingest: live 3 of 1, 2, 3, 4" in capsys.readouterr().out


def test_two_versions_and_what_is_live_are_kept(client: Any) -> None:
    versions = load()
    client.update_alias(FunctionName="traces-ingest", Name="live", FunctionVersion="2")
    versions.main(["prune", "traces"])
    assert versions.Versions("traces").of("ingest") == [2, 3, 4]
    layers = client.list_layer_versions(LayerName="traces-common")["LayerVersions"]
    assert sorted(layer["Version"] for layer in layers) == [2, 3, 4]


def test_a_first_version_has_none_before_it(client: Any) -> None:
    versions = load()
    client.update_alias(FunctionName="traces-ingest", Name="live", FunctionVersion="1")
    with pytest.raises(SystemExit, match="has no version before 1"):
        versions.main(["back", "traces", "ingest"])


@pytest.mark.parametrize("arguments", [[], ["show"], ["back", "traces", "nothing"], ["remove", "traces"]])
def test_it_says_how_it_is_called(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"versions\.py show STACK"):
        load().main(arguments)
