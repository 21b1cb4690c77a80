"""Transforms a SAM template as CloudFormation does: ``python transform.py TEMPLATE BUCKET [PARAMETER=VALUE...]``.

Runs with environment.sh's Python and prints JSON. Folders and files that the template names count as packaged: as
objects of the bucket, named like them.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

_CODE = ("CodeUri", "ContentUri")
_REGION = "us-east-1"


def transform(template: dict[str, Any], bucket: str, parameters: dict[str, str]) -> dict[str, Any]:
    """The template in resources of CloudFormation's own."""
    for properties in _properties(template):
        for name in _CODE:
            if name in properties:
                properties[name] = f"s3://{bucket}/{properties[name]}"
        if "TemplateURL" in properties:
            properties["TemplateURL"] = f"https://s3.amazonaws.com/{bucket}/{properties['TemplateURL']}"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=_REGION))
    return translator.translate(template, parameters)


def _properties(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (resource.get("Properties", {}) for resource in template["Resources"].values())


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[3:])
    json.dump(transform(yaml_parse(Path(sys.argv[1]).read_text()), sys.argv[2], given), sys.stdout)
