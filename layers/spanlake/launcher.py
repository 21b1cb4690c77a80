"""Starts the command line, or says which extra it needs: the bare package has the span table and no commands."""

import sys
from collections.abc import Sequence

_AWS = {"boto3", "botocore", "duckdb_extension_httpfs", "s3transfer"}


def main() -> None:
    """Run the command line; exits with 1 and the extra to install where a package is missing."""
    try:
        from spanlake.cli.main import main as run

        run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "spanlake"}:  # a fault of the package itself
            raise
        sys.exit(missing_extra(missing, sys.argv[1:]))


def missing_extra(package: str, arguments: Sequence[str]) -> str:
    """Return what to install for a command that lacks a package."""
    extra = "edge" if arguments[:1] == ["edge"] else "serve"
    extras = f"{extra},aws" if package in _AWS else extra
    command = " ".join(["spanlake", *arguments[:1]])
    return f"{command}: the package {package} is missing: pip install 'spanlake[{extras}]'"
