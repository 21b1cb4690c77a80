"""The services of the demo's shop and where they run: resources by the semantic conventions."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from spanlake.cli.demo.operation import Attributes

REGIONS = ("eu-west-1", "us-east-1", "ap-southeast-2")
NAMESPACE = "shop"


@dataclass(frozen=True)
class Runtime:
    """Language of a service, its version, and what its instrumentation reports."""

    language: str
    version: str
    runtime: str
    runtime_version: str


SERVICES: Mapping[str, Runtime] = {
    "frontend": Runtime("nodejs", "5.12.0", "nodejs", "22.11.0"),
    "gateway": Runtime("go", "2.7.3", "go", "go1.25.1"),
    "catalog": Runtime("java", "4.0.9", "OpenJDK Runtime Environment", "21.0.5"),
    "search": Runtime("python", "1.18.2", "CPython", "3.13.1"),
    "recommendations": Runtime("python", "0.9.4", "CPython", "3.13.1"),
    "cart": Runtime("dotnet", "3.3.0", ".NET", "9.0.0"),
    "checkout": Runtime("go", "6.1.0", "go", "go1.25.1"),
    "payment": Runtime("java", "3.1.4", "OpenJDK Runtime Environment", "21.0.5"),
    "fraud": Runtime("python", "2.2.0", "CPython", "3.13.1"),
    "inventory": Runtime("java", "4.4.1", "OpenJDK Runtime Environment", "21.0.5"),
    "shipping": Runtime("rust", "1.6.0", "rustc", "1.82.0"),
    "notifications": Runtime("nodejs", "2.0.7", "nodejs", "22.11.0"),
    "assistant": Runtime("python", "0.4.1", "CPython", "3.13.1"),
}


def resource(service: str, region: str, instance: int, version: str = "") -> Attributes:
    """Return the resource of an instance of a service in a region."""
    runtime = SERVICES[service]
    token = sha256(f"{service} {region} {instance} {version}".encode()).hexdigest()
    pod = f"{service}-{token[:9]}-{token[9:14]}"
    return {
        "service.name": service,
        "service.namespace": NAMESPACE,
        "service.version": version or runtime.version,
        "service.instance.id": f"{token[:8]}-{token[8:12]}-4{token[13:16]}-a{token[17:20]}-{token[20:32]}",
        "deployment.environment.name": "production",
        "cloud.provider": "aws",
        "cloud.platform": "aws_eks",
        "cloud.region": region,
        "cloud.availability_zone": f"{region}{'abc'[instance % 3]}",
        "k8s.cluster.name": f"shop-{region}",
        "k8s.namespace.name": NAMESPACE,
        "k8s.deployment.name": service,
        "k8s.pod.name": pod,
        "k8s.node.name": f"ip-10-{int(token[:2], 16)}-{int(token[2:4], 16)}-12.{region}.compute.internal",
        "container.name": service,
        "container.image.name": f"registry.example.com/shop/{service}",
        "container.image.tags": [version or runtime.version],
        "host.arch": "arm64",
        "os.type": "linux",
        "process.runtime.name": runtime.runtime,
        "process.runtime.version": runtime.runtime_version,
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": runtime.language,
        "telemetry.sdk.version": "1.38.0",
    }
