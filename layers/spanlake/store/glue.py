"""The table in the Glue catalog follows the attributes that come in: columns are added, and never removed."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from spanlake.store import aws_client
from spanlake.store.errors import StorageUnavailable
from spanlake.store.hive_types import attribute_columns, fixed_columns
from spanlake.store.index.base import CatalogEntry

if TYPE_CHECKING:
    from mypy_boto3_glue.client import GlueClient

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

    def __init__(self, client: "GlueClient", name: TableName) -> None:
        self._client = client
        self._name = name
        self._known: set[str] = set()

    def follow(self, entries: Iterable[CatalogEntry]) -> int:
        """Make sure that these attributes have columns, as far as there is room; how many were added.

        Somebody else's update in between is kept. Raises StoreError, and StorageUnavailable for what may pass.
        """
        wanted = attribute_columns(entries)
        if wanted.keys() <= self._known:
            return 0
        for _ in aws_client.attempts():
            with aws_client.reported(f"update the Glue table {self._name.database}.{self._name.table}"):
                added = self._add(fixed_columns() | wanted)
            if added is not None:
                return added
        raise StorageUnavailable("the Glue table is being changed all the time: try again")

    def _add(self, wanted: Mapping[str, str]) -> int | None:
        """Adds columns and returns their number, None where another process changed the table first."""
        found = self._client.get_table(DatabaseName=self._name.database, Name=self._name.table)["Table"]
        columns: list[Any] = list(found.get("StorageDescriptor", {}).get("Columns", []))
        there = {column["Name"] for column in [*columns, *found.get("PartitionKeys", [])]}
        missing = {name: type_ for name, type_ in wanted.items() if name not in there}
        new = dict(islice(missing.items(), max(MOST_COLUMNS - len(columns), 0)))
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
