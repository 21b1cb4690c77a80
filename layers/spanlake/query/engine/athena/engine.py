"""Runs queries on Athena: started, polled and read page by page within the time of a request."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from sqlglot import exp

from spanlake.query.compile.sql import memory_tables
from spanlake.query.engine.athena import results
from spanlake.query.engine.athena.allowance import DailyAllowance, Scanned
from spanlake.query.engine.athena.dialect import printed
from spanlake.query.engine.athena.table import GlueTable
from spanlake.query.engine.base import NotSupportedByEngine, Scan, Traits
from spanlake.query.limits import LimitExceeded
from spanlake.settings.model import AthenaSettings
from spanlake.store import aws_client
from spanlake.store.errors import StorageUnavailable, StoreError

if TYPE_CHECKING:
    from mypy_boto3_athena.client import AthenaClient


MOST_BYTES = 262_144  # of a query's text

_TRAITS = Traits(knows_rows=False, is_quick=False)
_PAGE = 1_000  # rows, the most there are
_PULSE_SECONDS = 0.05
_LONGEST_PAUSE = 1.0
_GROWTH = 1.3
_REUSED_MINUTES = 60  # a query names the blocks it reads, which never change, so that its answer does not age
_WHAT = "run a query in Athena"
_MISSING = re.compile(r"COLUMN_NOT_FOUND.*?Column '([\w.]+)'", re.DOTALL)
_TOO_MUCH = (
    ("Bytes scanned limit", "reads more than the workgroup allows one query to read"),
    ("EXCEEDED_", "needs more memory or time than Athena has for it"),
    ("exhausted resources", "needs more than Athena has for it"),
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Athena:
    """A workgroup of Athena, and the table that it has of the blocks; an ``Engine``."""

    client: "AthenaClient"
    workgroup: str
    source: GlueTable
    name: str = "Athena"
    traits: Traits = _TRAITS
    pause: float = 0.25  # seconds between the first two questions whether a query is done; it grows
    allowance: DailyAllowance | None = None  # of tenants; None is no limit

    def relation(self, scan: Scan, columns: Iterable[str], *, row_id: bool) -> exp.Select:
        """Return the blocks as rows of the table."""
        return self.source.rows(scan.blocks, sorted(set(columns)), row_id=row_id)

    def run(
        self,
        query: exp.Query,
        outputs: pa.Schema | None,
        check: Callable[[], None],
        *,
        large: bool = False,  # noqa: ARG002 - every answer is read page by page
    ) -> pa.Table:
        """Run a query; see ``Engine``. Raises NotSupportedByEngine for the trees of traces, which are no rows there."""
        if outputs is None or not isinstance(query, exp.Select) or memory_tables(query):
            raise NotSupportedByEngine(f"structural operators are not supported on {self.name}")
        text = printed(results.readable(query, outputs))
        if len(text.encode()) > MOST_BYTES:
            raise LimitExceeded(
                "the query is longer than Athena takes: ask for a shorter time range or a narrower filter"
            )
        with aws_client.reported(_WHAT):
            return results.to_table(self._rows(text, len(outputs), check), outputs)

    def _rows(self, text: str, width: int, check: Callable[[], None]) -> list[tuple[str | None, ...]]:
        if self.allowance:
            self.allowance.check()
        id_ = self._started(text)
        try:
            self._wait(id_, check)
            return list(islice(self._read(id_, width, check), 1, None))  # the first row has the columns' names
        except BaseException:
            with suppress(ClientError, BotoCoreError):
                self.client.stop_query_execution(QueryExecutionId=id_)
            raise
        finally:
            self._count(id_)

    def _count(self, id_: str) -> None:
        """Count what a query has read, which is paid for also where it failed or was stopped."""
        if self.allowance is None or not self.allowance.is_limited:
            return
        with suppress(ClientError, BotoCoreError):
            self.allowance.count(_scanned(self._execution(id_)))

    def _execution(self, id_: str) -> Mapping[str, Any]:
        return self.client.get_query_execution(QueryExecutionId=id_)["QueryExecution"]

    def _started(self, text: str) -> str:
        reuse: Any = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": _REUSED_MINUTES}}
        return self.client.start_query_execution(
            QueryString=text,
            QueryExecutionContext={"Database": self.source.database},
            WorkGroup=self.workgroup,
            ResultReuseConfiguration=reuse,
        )["QueryExecutionId"]

    def _wait(self, id_: str, check: Callable[[], None]) -> None:
        """Wait until the query has succeeded; raises the error that it ended with."""
        pause = self.pause
        while True:
            _sleep(pause, check)
            found = self._execution(id_)
            status = found["Status"]
            if status["State"] == "SUCCEEDED":
                _log.info("query run in Athena", extra={"athena_query": id_, "bytes_scanned": _scanned(found)})
                return
            if status["State"] in ("FAILED", "CANCELLED"):
                raise _failure(id_, status.get("StateChangeReason", ""))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _read(self, id_: str, width: int, check: Callable[[], None]) -> Iterator[tuple[str | None, ...]]:
        token: dict[str, Any] = {}
        while True:
            check()
            page = self.client.get_query_results(QueryExecutionId=id_, MaxResults=_PAGE, **token)
            for row in page["ResultSet"]["Rows"]:
                values = tuple(datum.get("VarCharValue") for datum in row["Data"])
                yield values + (None,) * (width - len(values))
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _scanned(execution: Mapping[str, Any]) -> int:
    return int(execution.get("Statistics", {}).get("DataScannedInBytes", 0))


def _sleep(seconds: float, check: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    check()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _PULSE_SECONDS))
        check()


def _failure(id_: str, reason: str) -> Exception:
    _log.warning("query failed in Athena", extra={"athena_query": id_, "reason": reason[:1000]})
    missing = _MISSING.search(reason)
    if missing:
        return NotSupportedByEngine(f"its table has no column {missing[1]} yet")
    for mark, what in _TOO_MUCH:
        if mark in reason:
            return LimitExceeded(f"the query {what}: ask for a shorter time range or a narrower filter")
    if reason.startswith(("INTERNAL", "GENERIC_INTERNAL", "HIVE_CANNOT_OPEN_SPLIT", "THROTTL")):
        return StorageUnavailable(f"cannot {_WHAT}: it failed there, try again")
    return StoreError(f"cannot {_WHAT}: query {id_} failed there")


_READ_SECONDS = 10.0


def open_athena(session: aws_client.Session, settings: AthenaSettings, scanned: Scanned) -> Athena:
    """Return the workgroup and the table of the settings; nothing is asked of them yet."""
    database, _, table = settings.table.partition(".")
    client = session.client("athena", config=aws_client.config(_READ_SECONDS))
    allowance = DailyAllowance(scanned)
    return Athena(client, settings.workgroup, GlueTable(database, table), allowance=allowance)
