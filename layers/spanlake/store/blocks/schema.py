"""Metadata of a block's columns, beyond their names and Parquet types.

Arrow's own description of a schema would take a third of the footer of a small block. Nearly all of it can be told
from the columns: a fixed column's type stands in FIXED or FACTS, and a plain attribute's key is its column's name read
backwards. What is left, the keys of the other attributes, stands in the file's key/value metadata.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from spanlake.spans.columns import AttributeColumn, Scope, ValueType, attribute_columns
from spanlake.spans.schema import FIXED
from spanlake.store.blocks.trace_columns import BEFORE_FORMAT_3, SLICE_COLUMNS, TRACE_COLUMNS
from spanlake.store.errors import StorageCorrupt

# DuckDB reads a list of every span of a row group to find that of one: with groups of 122,880 a trace out of a block of
# 50,000 took half as long again. Scans take the same time, files grow by 4 %; groups of 8,192 gain nothing more.
ROW_GROUP_SPANS = 16_384

FORMAT = 3
"""The version of the format that is written."""

NEWEST_FORMAT = FORMAT + 1
"""The newest version that is read: a format is read one release before it is written, so that a release can be
taken back."""

UNREADABLE = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
    StorageCorrupt,
)
"""Errors that pyarrow and this module raise for damaged files."""

_FORMAT_KEY = "spanlake.format"
_STATED_FORMAT = re.compile(_FORMAT_KEY.encode() + rb"\x18[\x01-\x09](\d{1,9})")  # as Thrift has key and value
FOOTER = 1 << 20
"""Bytes at the end of a block in which its format is looked for: the key/value metadata end a footer."""
_KEYS_KEY = "spanlake.keys"
_LEVEL_KEY = "spanlake.level"
_CREATED_KEY = "spanlake.created"
_REPLACES_KEY = "spanlake.replaces"
_HASHED = re.compile(r"___k[0-9a-f]{8}(?:___[a-z]+)?$")  # no plain key spells three underscores
_NAME = re.compile(
    r"(?P<scope>resource|span|scope)_(?P<key>.+?)(?:___(?P<type>int|double|bool|strings|ints|doubles|bools))?"
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """The origin of a block that compaction made."""

    level: int
    created_ns: int  # when the first of its spans was stored
    inputs: tuple[str, ...]  # ids of the blocks it was made of
    earlier: tuple[str, ...] = ()  # ids of the blocks that these replaced, as far as there is room

    @property
    def replaces(self) -> tuple[str, ...]:
        """Ids of all blocks that it is known to replace."""
        return self.inputs + self.earlier

    def to_metadata(self) -> dict[str, str]:
        """Return the key/value metadata that says so."""
        replaces = " ".join(self.inputs) + "/" + " ".join(self.earlier)
        values = str(self.level), str(self.created_ns), replaces
        return dict(zip((_LEVEL_KEY, _CREATED_KEY, _REPLACES_KEY), values, strict=True))

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes]) -> "Lineage | None":
        """Return the lineage in the metadata of a block; None of fresh blocks and of those that older versions made.

        Raises StorageCorrupt.
        """
        level, created, replaces = (metadata.get(key.encode()) for key in (_LEVEL_KEY, _CREATED_KEY, _REPLACES_KEY))
        if level is None or created is None or replaces is None:
            return None
        try:
            inputs, _, earlier = replaces.decode().partition("/")
            return cls(int(level), int(created), tuple(inputs.split()), tuple(earlier.split()))
        except ValueError as error:
            raise StorageCorrupt(f"the block's lineage cannot be read: {error}") from error


def to_metadata(schema: pa.Schema) -> dict[str, str]:
    """Return the key/value metadata of a block with the columns of this span table.

    ``spanlake.format`` is the version of the storage format. ``spanlake.keys``, left out when empty, is a JSON object
    from column name to attribute key for those columns whose name does not give the key.
    """
    columns = attribute_columns(pa.schema([field for field in schema if _HASHED.search(field.name)]))
    keys = {column.name: column.key for column in columns}
    metadata = {_FORMAT_KEY: str(FORMAT)}
    if keys:
        metadata[_KEYS_KEY] = json.dumps(keys, ensure_ascii=False, separators=(",", ":"))
    return metadata


def from_parquet(names: list[str], metadata: Mapping[bytes, bytes]) -> pa.Schema:
    """Return the span table's schema, of a block with these columns and this key/value metadata.

    Raises StorageCorrupt for a file that is not a block, or one of a newer format.
    """
    version = metadata.get(_FORMAT_KEY.encode())
    if version is None or not version.isdigit():
        raise StorageCorrupt("the Parquet file is not a spanlake block")
    check_format(int(version))
    keys = _keys(metadata)
    return pa.schema([_field(name, keys) for name in names])


def stated_format(data: bytes) -> int | None:
    """Return the format that a block says it has, by the end of its content; None where it is not found there.

    It takes microseconds, where reading the footer takes a tenth of a millisecond and more.
    """
    start = data.rfind(_FORMAT_KEY.encode() + b"\x18", max(0, len(data) - FOOTER))
    found = _STATED_FORMAT.match(data, start) if start >= 0 else None
    return int(found[1][: data[found.start(1) - 1]]) if found else None


def check_format(version: int) -> None:
    """Raise StorageCorrupt for the version of a newer format."""
    if version > NEWEST_FORMAT:
        raise StorageCorrupt(f"the block is of a newer spanlake (format {version}, this one knows {NEWEST_FORMAT})")


def schema_metadata(metadata: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the part of a block's metadata on which its schema depends."""
    return {key: metadata[key] for key in (_FORMAT_KEY.encode(), _KEYS_KEY.encode()) if key in metadata}


def _keys(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    text = metadata.get(_KEYS_KEY.encode(), b"{}")
    try:
        return {name: str(key) for name, key in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise StorageCorrupt(f"the block's {_KEYS_KEY} cannot be read: {error}") from error


def _field(name: str, keys: Mapping[str, str]) -> "pa.Field[Any]":
    return _read_field(name, keys[name]) if name in keys else _remembered_field(name)


def _read_field(name: str, key: str | None = None) -> "pa.Field[Any]":
    if name in FIXED.names:
        return FIXED.field(name)
    for trace_facts in (TRACE_COLUMNS, BEFORE_FORMAT_3, SLICE_COLUMNS):
        if name in trace_facts.names:
            return trace_facts.field(name)
    column = _column(name, key)
    if column is None or column.name != name:
        raise StorageCorrupt(f"the block's column {name!r} is not one that spanlake writes")
    return column.field()


_remembered_field = lru_cache(maxsize=4096)(_read_field)  # nearly every block has the columns of the one before


def _column(name: str, key: str | None) -> AttributeColumn | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    type_ = ValueType(match["type"] or "string")
    return AttributeColumn(Scope(match["scope"]), _unspell(match["key"]) if key is None else key, type_)


def _unspell(key: str) -> str:
    return re.sub("__?", lambda found: "_" if found[0] == "__" else ".", key)
