"""Stacks inside the stack, whose templates are those that template.yaml includes too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import NestedStack
from aws_cdk.cloudformation_include import CfnInclude
from constructs import Construct

_INFRA = Path(__file__).resolve().parents[2]


class Included(NestedStack):
    """A stack of the template in a folder of ``infra``, given its parameters: lists as text, with commas."""

    def __init__(self, scope: Construct, name: str, folder: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(scope, name, parameters={key: _text(value) for key, value in parameters.items()})
        CfnInclude(self, "Template", template_file=str(_INFRA / folder / "template.yaml"))

    def output(self, name: str) -> str:
        """An output of the stack."""
        resource = self.nested_stack_resource
        assert resource is not None
        return resource.get_att(f"Outputs.{name}").to_string()


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)
