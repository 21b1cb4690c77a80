"""The unit for systemd, compose.yaml and the base for Kustomize fit the code and each other."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from spanlake.server import ports
from tests.documents import document
from tests.scenarios.image.dockerfile import ROOT, Dockerfile

INFRA = ROOT / "infra"
KUBERNETES = INFRA / "kubernetes"
LISTENED = {(port.port, "UDP" if port.scheme == "udp" else "TCP") for port in ports.ALL if port.port != 3100}


class _Strict(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses a key that a mapping has twice, as Docker Compose and Kubernetes do."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(names) == len(set(names)), f"{node.start_mark}: a key is there twice"
        return super().construct_mapping(node, deep)


def read(file: Path) -> list[Any]:
    """The documents of a file, whose keys differ."""
    return [each for each in yaml.load_all(file.read_text(), _Strict) if each]


@pytest.mark.parametrize("name", ["compose", "kubernetes", "grafana"])
def test_keys_of_yaml_files_are_there_once(name: str) -> None:
    files = list((INFRA / name).rglob("*.y*ml"))
    assert files
    assert all(read(file) for file in files)


def test_unit_of_systemd_is_valid(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing")
    unit = (INFRA / "systemd" / "spanlake.service").read_text()
    file = tmp_path / "spanlake.service"
    file.write_text(unit.replace("/opt/spanlake/bin/spanlake serve", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_variables_are_settings() -> None:
    known = set(re.findall(r"SPANLAKE_[A-Z_]+", document("docs/settings.md")))
    used = {
        name
        for folder in ("systemd", "compose", "kubernetes")
        for file in (INFRA / folder).rglob("*")
        if file.is_file()
        for name in re.findall(r"SPANLAKE_[A-Z_]+", file.read_text())
    }
    assert used <= known


def names(node: Any) -> Iterator[list[str]]:
    """The names in each list of named objects, in a document."""
    if isinstance(node, list):
        yield [each["name"] for each in node if isinstance(each, dict) and "name" in each]
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from names(each)


def test_names_in_lists_are_unique() -> None:
    """Server-side apply refuses a list that has a name twice."""
    for file in KUBERNETES.rglob("*.yaml"):
        for found in (found for each in read(file) for found in names(each)):
            assert len(found) == len(set(found)), file.name


@pytest.mark.parametrize("file", ["statefulset.yaml", "collector/collector.yaml"])
def test_pods_get_no_variables_of_services(file: str) -> None:
    pod = read(KUBERNETES / file)[0]["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False


def test_service_has_every_port() -> None:
    (service,) = read(KUBERNETES / "service.yaml")
    assert {(port["port"], port.get("protocol", "TCP")) for port in service["spec"]["ports"]} == LISTENED


def test_container_has_the_ports_that_the_service_names() -> None:
    (service,), (stateful,) = read(KUBERNETES / "service.yaml"), read(KUBERNETES / "statefulset.yaml")
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == named


def test_container_is_the_user_of_the_image_and_writes_to_volumes_only() -> None:
    (stateful,) = read(KUBERNETES / "statefulset.yaml")
    pod = stateful["spec"]["template"]["spec"]
    user, group = map(int, Dockerfile.read("serve").one("USER").split(":"))
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"]) == (user, group)
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}


def test_kustomization_names_every_file() -> None:
    (kustomization,) = read(KUBERNETES / "kustomization.yaml")
    assert set(kustomization["resources"]) | {"kustomization.yaml"} == {f.name for f in KUBERNETES.glob("*.yaml")}


@pytest.mark.parametrize("folder", [INFRA / "compose", KUBERNETES / "collector"])
def test_collector_sends_to_the_port_for_otlp(folder: Path) -> None:
    (config,) = read(folder / ("collector.yaml" if folder.name == "compose" else "config.yaml"))
    assert config["exporters"]["otlp"]["endpoint"] == f"spanlake:{ports.OTLP_GRPC.port}"
    (pipeline,) = config["service"]["pipelines"].values()
    assert set(pipeline["receivers"]) <= set(config["receivers"])
    assert set(pipeline["processors"]) <= set(config["processors"])


def test_compose_publishes_listening_ports_on_loopback_only() -> None:
    (compose,) = read(INFRA / "compose" / "compose.yaml")
    published = [
        re.fullmatch(r"127\.0\.0\.1:(\d+):\1(/udp)?", port) for port in compose["services"]["spanlake"]["ports"]
    ]
    assert all(published)
    assert {(int(found[1]), "UDP" if found[2] else "TCP") for found in published if found} <= LISTENED


def test_compose_mounts_files_that_exist_and_builds_a_stage() -> None:
    for file in ("compose.yaml", "compose.collector.yaml"):
        (compose,) = read(INFRA / "compose" / file)
        for service in compose["services"].values():
            for mount in service.get("volumes", []):
                source = mount.partition(":")[0]
                assert not source.startswith("./") or (INFRA / "compose" / source).is_file()
            if build := service.get("build"):
                assert build["target"] in Dockerfile.read().stages
                assert (INFRA / "compose" / build["context"] / build["dockerfile"]).is_file()


def data_sources() -> list[tuple[str, dict[str, Any]]]:
    (compose,) = read(INFRA / "compose" / "datasource.yaml")
    (map_,) = read(KUBERNETES / "grafana-datasource.yaml")
    (inside,) = yaml.safe_load_all(map_["data"]["spanlake.yaml"])
    (full,) = read(INFRA / "grafana" / "provisioning" / "datasources" / "spanlake.yaml")
    return [("compose", compose["datasources"][0]), ("map", inside["datasources"][0]), ("full", full["datasources"][0])]


def test_data_sources_agree() -> None:
    found = dict(data_sources())
    for each in found.values():
        assert (each["type"], each["uid"]) == ("tempo", "spanlake")
        assert each["jsonData"]["streamingEnabled"] == {"search": False, "metrics": False}
        assert each["jsonData"]["traceQuery"] == found["full"]["jsonData"]["traceQuery"]


def test_files_that_the_page_names_exist() -> None:
    text = document("docs/install.md")
    files = set(re.findall(r"\((?:\.\./)?((?:infra/|docs/)?[\w./-]+\.(?:md|yaml|service))\)", text)) | set(
        re.findall(r"(?<=--file )(\S+\.yaml)", text)
    )
    assert files
    assert all((ROOT / file).is_file() or (ROOT / "docs" / file).is_file() for file in files)
