"""The table in the Glue catalog: column types, and columns added as attributes appear."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from botocore.exceptions import ClientError

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.schema import FIXED
from spanlake.store import aws_client
from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_glue.client import GlueClient


_SCALARS = {
    pa.string(): "string",
    pa.binary(): "binary",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.float64(): "double",
    pa.bool_(): "boolean",
}
_SCOPES = {scope.value: scope for scope in Scope}
_TYPES = {type_.value: type_ for type_ in ValueType}


def hive_type(type_: pa.DataType) -> str:
    """Hive's name of an Arrow type that occurs in span tables."""
    if pa.types.is_list(type_):
        return f"array<{hive_type(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return f"struct<{','.join(f'{member.name}:{hive_type(member.type)}' for member in type_)}>"
    return _SCALARS[type_]


def fixed_columns() -> dict[str, str]:
    """Return the columns that every span table has, with their types, in order."""
    return {field.name: hive_type(field.type) for field in FIXED}


def attribute_columns(entries: Iterable[CatalogEntry]) -> dict[str, str]:
    """Return the columns of the attributes in a catalog, with their types, the most useful first.

    What a resource tells comes before what a span does, and single values before lists: a query groups by the former.
    Entries that have no column of their own (of events and links, and those in the lists of the rest) have none here.
    """
    columns = {_column(entry) for entry in entries if entry.scope in _SCOPES and entry.type in _TYPES}
    return {column.name: hive_type(column.arrow_type) for column in sorted(columns, key=_usefulness)}


def shared_columns(catalogs: Iterable[Iterable[CatalogEntry]]) -> dict[str, str]:
    """Return the columns of the catalogs of several tenants, in turn the most useful one left of each.

    So a table that has not room for all has as many of each tenant, however many keys one of them has.
    """
    columns: dict[str, str] = {}
    for turn in zip_longest(*(attribute_columns(catalog).items() for catalog in catalogs)):
        columns.update(column for column in turn if column is not None)
    return columns


def _column(entry: CatalogEntry) -> AttributeColumn:
    return AttributeColumn(_SCOPES[entry.scope], entry.key, _TYPES[entry.type])


def _usefulness(column: AttributeColumn) -> tuple[int, bool, int, str]:
    scope = list(Scope).index(column.scope)
    return scope, pa.types.is_list(column.arrow_type), len(column.name), column.name


# Glue states no number of columns. Definitions of three to four thousand have been refused for their size, and
# Athena reads the whole of it for each query; that is four times what a block may have.
MOST_COLUMNS = 2_000

# What a table's input takes of what GetTable tells; the rest is Glue's own.
_INPUT = (
    *("Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "StorageDescriptor"),
    *("PartitionKeys", "ViewOriginalText", "ViewExpandedText", "TableType", "Parameters", "TargetTable"),
)
_OVERTAKEN = "ConcurrentModificationException"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableName:
    """The name of a table in the Glue catalog."""

    database: str
    table: str

    @classmethod
    def parse(cls, text: str) -> "TableName":
        """Read ``database.table``."""
        database, _, table = text.partition(".")
        return cls(database, table)


class GlueColumns:
    """The columns of one table, as this process last saw them, so that it asks only about what is new."""

    def __init__(self, client: "GlueClient", name: TableName, most_columns: int = MOST_COLUMNS) -> None:
        self._most_columns = most_columns
        self._client = client
        self._name = name
        self._known: set[str] = set()

    def follow(self, entries: Iterable[CatalogEntry]) -> int:
        """Make sure that these attributes have columns, as far as there is room; how many were added.

        Somebody else's update in between is kept. Raises StoreError, and StorageUnavailable for what may pass.
        """
        return self.ensure(attribute_columns(entries))

    def ensure(self, wanted: Mapping[str, str]) -> int:
        """Make sure that the table has these columns, the first ones where there is no room for all; see `follow`."""
        if wanted.keys() <= self._known:
            return 0
        for _ in aws_client.attempts():
            with aws_client.reported(f"update the Glue table {self._name.database}.{self._name.table}"):
                added = self._add({**fixed_columns(), **wanted})
            if added is not None:
                return added
        raise StorageUnavailable("the Glue table is being changed all the time: try again")

    def _add(self, wanted: Mapping[str, str]) -> int | None:
        """Add columns and return their number, None where another process changed the table first."""
        found = self._client.get_table(DatabaseName=self._name.database, Name=self._name.table)["Table"]
        columns: list[Any] = list(found.get("StorageDescriptor", {}).get("Columns", []))
        there = {column["Name"] for column in [*columns, *found.get("PartitionKeys", [])]}
        missing = {name: type_ for name, type_ in wanted.items() if name not in there}
        new = dict(islice(missing.items(), max(self._most_columns - len(columns), 0)))
        if new:
            columns += [{"Name": name, "Type": type_} for name, type_ in new.items()]
            if not self._updated(found, columns):
                return None
        if len(new) < len(missing):
            left = [name for name in missing if name not in new]
            _log.warning("the Glue table has no room for columns", extra={"columns": len(left), "first": left[0]})
        self._known = there | wanted.keys()
        return len(new)

    def _updated(self, found: Any, columns: list[Any]) -> bool:
        """Change the columns alone, unless somebody has changed the table since it was read."""
        table: Any = {name: found[name] for name in _INPUT if name in found}
        table["StorageDescriptor"] = {**found["StorageDescriptor"], "Columns": columns}
        version: Any = {"VersionId": found["VersionId"]} if "VersionId" in found else {}
        try:
            self._client.update_table(DatabaseName=self._name.database, TableInput=table, SkipArchive=True, **version)
        except ClientError as error:
            if aws_client.code(error) == _OVERTAKEN:
                return False
            raise
        return True
