"""Maps resources of SAM's and the CDK's templates to shared names, so that the two can be compared."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.cdk import STACK, Assembly
from tests.infra.evaluated import Evaluated
from tests.infra.template import ROOT, Template

# Constructs that the CDK names after their route, or after the construct they are in.
_RENAMED = {
    "ApiGET--api--echoQueryIntegration": "QueryIntegration",
    "ApiJwtAuthorizer": "JwtAuthorizer",
    "ApiPOST--v1--tracesIngestIntegration": "IngestIntegration",
    "ApiTokenAuthorizer": "TokenAuthorizer",
}


def of_sam(packaged: Mapping[str, Any], parameters: Mapping[str, str]) -> Evaluated:
    """The template after SAM's transform."""
    return Evaluated(_with_folders(packaged), parameters, _Sam(), STACK)


def of_cdk(assembly: Assembly) -> Evaluated:
    """Evaluates the template that the CDK has written."""
    return Evaluated(_with_folders(assembly.load(assembly.stack)), {}, _Cdk(assembly), STACK)


class _Sam:
    def name(self, logical_id: str, resource: Mapping[str, Any]) -> str:
        """The logical id, without what tells versions apart."""
        if resource["Type"] in {"AWS::Lambda::LayerVersion", "AWS::Lambda::Version"}:
            return re.sub("[0-9a-f]{10}$", "", logical_id)
        return logical_id

    def inner(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """The template of a stack inside."""
        path = resource["Properties"]["TemplateURL"].partition("/infra/")[2]
        return Template.load(ROOT / "infra" / path).content


@dataclass(frozen=True)
class _Cdk:
    assembly: Assembly

    def name(self, logical_id: str, resource: Mapping[str, Any]) -> str:
        """The names of a resource's constructs, without the outermost, which groups them.

        Those of a template that is included have their logical ids alone.
        """
        if "aws:cdk:path" not in resource.get("Metadata", {}):
            return logical_id
        path: str = resource["Metadata"]["aws:cdk:path"].removeprefix(f"{STACK}/")
        if resource["Type"] == "AWS::CloudFormation::Stack":
            return path.rpartition("/")[2].removesuffix(".NestedStackResource")
        parts = [part for part in path.split("/")[1:] if part != "Resource"]
        name = "".join(parts).replace("CurrentVersion", "Version")
        return _RENAMED.get(name, name)

    def inner(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """The template of a stack inside."""
        return self.assembly.load(self.assembly.folder / resource["Metadata"]["aws:asset:path"])


def _with_folders(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """A template in which code is the name of the folder that it is taken from."""
    found = deepcopy(dict(template))
    for resource in found["Resources"].values():
        for name in {"Code", "Content"} & resource.get("Properties", {}).keys():
            path = resource.get("Metadata", {}).get("aws:asset:path") or resource["Properties"][name]["S3Key"]
            resource["Properties"][name] = Path(path).name
    return found
