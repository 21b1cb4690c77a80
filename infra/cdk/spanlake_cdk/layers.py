"""The layers that ``make layers`` makes, without a container."""

from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from spanlake_cdk.settings import Settings

RUNTIME = lambda_.Runtime.PYTHON_3_13


def architecture(settings: Settings) -> lambda_.Architecture:
    """The processor of functions and layers."""
    return lambda_.Architecture.ARM_64 if settings.architecture == "arm64" else lambda_.Architecture.X86_64


class Layers(Construct):
    """Layers of the functions, which hold all code except a handler of a few lines each."""

    def __init__(self, scope: Construct, name: str, folder: Path, settings: Settings) -> None:
        super().__init__(scope, name)
        self._architecture = architecture(settings)
        self.common = self._layer("Common", folder / "common", "spanlake, and what all its functions need")
        self.query = self._layer("Query", folder / "query", "DuckDB, and what else spanlake's queries need")

    def _layer(self, name: str, folder: Path, description: str) -> lambda_.LayerVersion:
        if not folder.is_dir():
            raise SystemExit(f"spanlake: there is no {folder}; `make layers` makes it")
        return lambda_.LayerVersion(
            self,
            f"{name}Layer",
            layer_version_name=f"{Stack.of(self).stack_name}-{folder.name}",
            description=description,
            code=lambda_.Code.from_asset(str(folder)),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[self._architecture],
            removal_policy=RemovalPolicy.RETAIN,  # an alias that goes back needs its layers
        )
