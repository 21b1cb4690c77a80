"""``spanlake limits``: writes the limits of tenants into an index that several processes share."""

from pathlib import Path

import typer

from spanlake.cli.errors import CommandError, InvalidOption
from spanlake.settings.tenant_limits import parse_overrides
from spanlake.settings.units import InvalidSetting
from spanlake.store.errors import StoreError
from spanlake.store.open import open_index
from spanlake.store.tenant_limits import PROPERTY

_SHARED = "dynamodb://"


def run(file: Path, index: str) -> None:
    """Check a file of limits and write it; raises CommandError."""
    if not index.startswith(_SHARED):
        raise InvalidOption("--index names no DynamoDB table; a server on a directory reads the file of its --limits")
    content = _content(file)
    try:
        found = parse_overrides(content)
    except InvalidSetting as error:
        raise InvalidOption(f"{file}: {error}") from None
    try:
        opened = open_index(index, Path(), None)
        opened.set_property(PROPERTY, content.decode())
        opened.close()
    except StoreError as error:
        raise CommandError(str(error)) from None
    typer.echo(f"limits of {len(found.tenants)} tenants written; they count within a minute")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidOption(f"{file} cannot be read: {error.strerror}") from None
