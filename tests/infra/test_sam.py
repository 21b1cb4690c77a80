"""Tests that the SAM CLI accepts the template."""

from tests.infra.sam import sam


def test_the_template_is_valid() -> None:
    done = sam("validate")
    assert done.returncode == 0, done.stderr


def test_the_linter_of_the_sam_cli_finds_nothing() -> None:
    done = sam("validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
