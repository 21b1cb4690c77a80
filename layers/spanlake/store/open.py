"""Opening storage by what an operator calls it: a directory, or URLs."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

from spanlake.store.errors import StoreError
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}", re.ASCII)
_NO_AWS = "to use AWS, install spanlake with its extra: pip install 'spanlake[aws]'"


def open_objects(url: str, data: Path) -> Objects:
    """Return the objects at ``s3://bucket/prefix``, whose bucket must be there; without a URL those in a directory.

    Raises StoreError.
    """
    if not url:
        from spanlake.store.objects.local import LocalObjects

        return LocalObjects(data)
    try:
        from spanlake.store.objects.s3 import S3Location, S3Objects
    except ImportError:
        raise StoreError(_NO_AWS) from None
    objects = S3Objects(S3Location.parse(url))
    objects.check()
    return objects


def open_index(url: str, data: Path, retention: timedelta | None) -> Index:
    """Return the index at ``dynamodb://table``, without a URL the one in a directory.

    The table must be there, unless the URL ends in ``?create=true``. Raises StoreError.
    """
    if not url:
        from spanlake.store.index.sqlite import SqliteIndex

        return SqliteIndex(data / "index.sqlite")
    try:
        from spanlake.store.index.dynamodb.index import DynamoIndex
    except ImportError:
        raise StoreError(_NO_AWS) from None
    table, create = table_named(url)
    index = DynamoIndex(table, retention)
    index.check(create=create)
    return index


def table_named(url: str) -> tuple[str, bool]:
    """Return the name of the table at ``dynamodb://table``, and whether it is to be made; raises StoreError."""
    place, _, query = url.partition("?")
    scheme, _, name = place.partition("://")
    options = dict(parse_qsl(query, keep_blank_values=True))
    create = options.pop("create", "false")
    if scheme != "dynamodb" or not _TABLE.fullmatch(name) or options or create not in {"true", "false"}:
        raise StoreError(f"{url!r} does not name a table: write dynamodb://table or dynamodb://table?create=true")
    return name, create == "true"
