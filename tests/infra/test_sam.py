"""Tests that the SAM CLI accepts the template."""

from tests.infra.sam import sam
from tests.infra.template import INNER, TEMPLATE


def test_the_template_is_valid() -> None:
    done = sam("validate")
    assert done.returncode == 0, done.stderr


def test_the_linter_of_the_sam_cli_finds_nothing() -> None:
    done = sam("validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


LARGEST_BODY = 51_200
"""Bytes of a template that CloudFormation takes without a bucket."""


def test_templates_are_small_enough_for_a_request() -> None:
    sizes = {path.parent.name: path.stat().st_size for path in (TEMPLATE, *INNER)}
    assert max(sizes.values()) <= LARGEST_BODY, sizes
