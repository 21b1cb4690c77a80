"""The paths of blocks, read backwards: tenant, day and id."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from spanlake.store.objects.base import ObjectInfo, Objects
from spanlake.store.tenant import unescape_tenant

BLOCKS = "spans/"

_BLOCK = re.compile(r"spans/tenant=(?P<tenant>[^/]+)/date=(?P<date>\d{4}-\d\d-\d\d)/(?P<id>[^/]+)\.parquet")


@dataclass(frozen=True, slots=True)
class BlockPath:
    """The tenant, day and id in the path of a block."""

    tenant: str
    date: date
    id: str

    @classmethod
    def parse(cls, path: str) -> "BlockPath | None":
        """The parts of a path; None when it is not that of a block."""
        match = _BLOCK.fullmatch(path)
        if match is None:
            return None
        with suppress(ValueError):
            return cls(unescape_tenant(match["tenant"]), date.fromisoformat(match["date"]), match["id"])
        return None


def by_day(objects: Objects) -> Iterator[tuple[str, date, list[tuple[str, ObjectInfo]]]]:
    """Tenants and days that have blocks in storage, each with the ids and objects of its blocks."""
    parsed = ((BlockPath.parse(info.path), info) for info in objects.list(BLOCKS))
    found: Iterable[tuple[BlockPath, ObjectInfo]] = ((path, info) for path, info in parsed if path is not None)
    for (tenant, day), of_day in groupby(found, key=lambda one: (one[0].tenant, one[0].date)):
        yield tenant, day, [(path.id, info) for path, info in of_day]


def has_blocks(objects: Objects) -> bool:
    """True where the storage holds a block."""
    return any(BlockPath.parse(info.path) for info in objects.list(BLOCKS))
