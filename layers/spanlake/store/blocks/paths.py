"""The paths of blocks, read backwards: tenant, day and id."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice

from spanlake.store.objects.base import ObjectInfo, Objects
from spanlake.store.tenant import escape_tenant, unescape_tenant

BLOCKS = "spans/"
TRASH = "trash/"  # followed by the path of a block that was collected as garbage

_BLOCK = re.compile(r"spans/tenant=(?P<tenant>[^/]+)/date=(?P<date>\d{4}-\d\d-\d\d)/(?P<id>[^/]+)\.parquet")


@dataclass(frozen=True, slots=True)
class BlockPath:
    """The tenant, day and id in the path of a block."""

    tenant: str
    date: date
    id: str

    @classmethod
    def parse(cls, path: str) -> "BlockPath | None":
        """Return the parts of a path; None when it is not that of a block."""
        match = _BLOCK.fullmatch(path)
        if match is None:
            return None
        with suppress(ValueError):
            return cls(unescape_tenant(match["tenant"]), date.fromisoformat(match["date"]), match["id"])
        return None


def folder(tenant: str, day: date) -> str:
    """Return the beginning of the paths of a tenant's blocks of a day."""
    return f"{BLOCKS}tenant={escape_tenant(tenant)}/date={day.isoformat()}/"


@dataclass(frozen=True, slots=True)
class DayPart:
    """Objects of one tenant and day whose ids follow each other."""

    tenant: str
    date: date
    blocks: tuple[tuple[str, ObjectInfo], ...]  # ids and objects, in order, at least one

    @property
    def ids(self) -> tuple[str, str]:
        """The first and the last id."""
        return self.blocks[0][0], self.blocks[-1][0]


def in_parts(objects: Objects, most: int, prefix: str = BLOCKS) -> Iterator[DayPart]:
    """Yield the blocks below a prefix in the order of their paths, so many at a time and of one tenant and day."""
    parsed = ((BlockPath.parse(info.path), info) for info in objects.list(prefix))
    found: Iterable[tuple[BlockPath, ObjectInfo]] = ((path, info) for path, info in parsed if path is not None)
    for (tenant, day), of_day in groupby(found, key=lambda one: (one[0].tenant, one[0].date)):
        while blocks := tuple((path.id, info) for path, info in islice(of_day, most)):
            yield DayPart(tenant, day, blocks)


def has_blocks(objects: Objects) -> bool:
    """True where the storage holds a block."""
    return any(BlockPath.parse(info.path) for info in objects.list(BLOCKS))
