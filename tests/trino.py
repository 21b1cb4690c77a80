"""A Trino of its own, over Hive tables in a directory, and the little of its protocol that tests speak."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from spanlake.store.blocks.block import Block
from tests.toolchain import installed

SCHEMA, TABLE = "lake", "spans"

_SCRIPT = Path(__file__).parents[1] / "scripts" / "trino" / "server.sh"
_SCALARS = {
    "string": "varchar",
    "binary": "varbinary",
    "bigint": "bigint",
    "int": "integer",
    "double": "double",
    "boolean": "boolean",
}


class QueryFailed(Exception):  # noqa: N818
    """Trino could not answer; ``name`` is what it calls the error."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


@dataclass(frozen=True)
class Answer:
    """The rows of a query, as JSON writes their values, and the columns' names and types."""

    columns: tuple[tuple[str, str], ...]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Trino:
    """A running server; ``local:///x`` is what it calls the file x in its directory."""

    url: str
    directory: Path

    def query(self, sql: str) -> Answer:
        """Run a statement to its end; raises QueryFailed."""
        columns: tuple[tuple[str, str], ...] = ()
        rows: list[list[Any]] = []
        for page in self.pages(sql):
            if page.get("columns"):
                columns = tuple((column["name"], column["type"]) for column in page["columns"])
            rows += page.get("data", [])
        return Answer(columns, rows)

    def pages(self, sql: str) -> Iterator[dict[str, Any]]:
        """Yields the server's pages for a statement, until it has ended; raises QueryFailed."""
        page = self._ask(f"{self.url}/v1/statement", sql.encode())
        while True:
            if "error" in page:
                raise QueryFailed(page["error"]["errorName"], page["error"]["message"])
            yield page
            if "nextUri" not in page:
                return
            page = self._ask(page["nextUri"])

    def cancel(self, page: Mapping[str, Any]) -> None:
        """Give up the statement that a page is of."""
        if "nextUri" in page:
            self._ask(page["nextUri"], method="DELETE")

    def _ask(self, url: str, body: bytes | None = None, method: str | None = None) -> dict[str, Any]:
        headers = {"X-Trino-User": "test", "X-Trino-Catalog": "lake", "X-Trino-Schema": SCHEMA}
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def create_table(self, columns: Mapping[str, str], folder: str = "", table: str = TABLE) -> None:
        """A table of these columns, with Hive's types, over the blocks below a folder; it has no partitions yet."""
        self.query(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        self.query(f'DROP TABLE IF EXISTS "{table}"')
        fields = {**columns, "tenant": "string", "date": "string"}
        listed = ", ".join(f'"{name}" {trino_type(type_)}' for name, type_ in fields.items())
        (self.directory / folder / "spans").mkdir(parents=True, exist_ok=True)
        place = f"external_location = 'local:///{_joined(folder, 'spans')}', partitioned_by = ARRAY['tenant', 'date']"
        self.query(f"CREATE TABLE \"{table}\" ({listed}) WITH (format = 'PARQUET', {place})")

    def add_partitions(self, blocks: Iterable[Block], folder: str = "", table: str = TABLE) -> None:
        """Let the table have the folders of these blocks, as partition projection does by itself."""
        for path in sorted({block.path.rpartition("/")[0] for block in blocks}):
            tenant, date = (part.partition("=")[2] for part in path.split("/")[1:])
            values = f"ARRAY['tenant', 'date'], ARRAY['{tenant}', '{date}']"
            place = f"local:///{_joined(folder, path)}"
            self.query(f"CALL system.register_partition('{SCHEMA}', '{table}', {values}, '{place}')")

    def stored_types(self, table: str = TABLE) -> dict[str, str]:
        """The columns' types as Trino itself wrote them down for Hive."""
        file = self.directory / "metastore" / SCHEMA / table / ".trinoSchema"
        found = json.loads(file.read_text())
        return {column["name"]: column["type"] for column in found["dataColumns"]}


def _joined(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path


def trino_type(hive: str) -> str:
    """Trino's name of a type that Hive names so."""
    kind, _, inner = hive.partition("<")
    if kind == "array":
        return f"array({trino_type(inner[:-1])})"
    if kind == "struct":
        members = (member.partition(":") for member in _members(inner[:-1]))
        return f"row({', '.join(f'{name!s} {trino_type(type_)}' for name, _, type_ in members)})".replace("'", '"')
    return _SCALARS[hive]


def _members(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, sign in enumerate(text):
        depth += {"<": 1, ">": -1}.get(sign, 0)
        if sign == "," and not depth:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def prepared() -> list[str]:
    """The command that starts a server, the directory left out.

    Skips the test on a machine that cannot have one, unless CI is true: then it fails.
    """
    return installed(_SCRIPT, "Trino to stand in for Athena")


@contextmanager
def running(directory: Path) -> Iterator[Trino]:
    """A server, whose tables are in the directory."""
    (directory / "metastore").mkdir(parents=True, exist_ok=True)
    with (directory / "trino.log").open("wb") as log:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        process = subprocess.Popen([*prepared(), str(directory)], **pipes)
    try:
        assert process.stdout is not None
        yield Trino(_address(process.stdout, directory), directory)
    finally:
        process.kill()
        process.wait()


def _address(output: IO[bytes], directory: Path) -> str:
    for line in output:
        text = line.decode().strip()
        if re.match("https?://", text):
            return f"http://127.0.0.1:{urlsplit(text).port}"
    raise RuntimeError(f"Trino did not start: {(directory / 'trino.log').read_text()[-2000:]}")
