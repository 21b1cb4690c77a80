"""The API of Athena over a Trino: what boto3 asks of a workgroup is answered by queries that really run."""

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3

from tests.trino import QueryFailed, Trino

if TYPE_CHECKING:
    from mypy_boto3_athena.client import AthenaClient

WORKGROUP = "spanlake"

_SESSION = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
_TOO_MUCH = "Query cancelled! : Bytes scanned limit was exceeded"


@dataclass
class Execution:
    """A query of the workgroup, and how far it is."""

    sql: str
    state: str = "QUEUED"
    reason: str = ""
    scanned: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, trino: Trino, scan_limit: int) -> None:
        """Run it to whatever end it has."""
        self.state = "RUNNING"
        try:
            self._read(trino, scan_limit)
        except QueryFailed as failure:
            self.state, self.reason = "FAILED", str(failure)

    def _read(self, trino: Trino, scan_limit: int) -> None:
        named = False
        for page in trino.pages(self.sql):
            self.scanned = page["stats"]["physicalInputBytes"]
            if self.stopped.is_set() or self.scanned > scan_limit:
                trino.cancel(page)
                self.state, self.reason = "CANCELLED", "" if self.stopped.is_set() else _TOO_MUCH
                return
            if not named and page.get("columns"):
                named = True
                self.rows.append(_row([column["name"] for column in page["columns"]]))
            self.rows += map(_row, page.get("data", []))
        self.state = "SUCCEEDED"

    @property
    def described(self) -> dict[str, Any]:
        """Description of the query in the form of GetQueryExecution."""
        status = {"State": self.state, "StateChangeReason": self.reason}
        return {"Status": status, "Statistics": {"DataScannedInBytes": self.scanned}}


def _row(values: list[Any]) -> dict[str, Any]:
    return {"Data": [{} if value is None else {"VarCharValue": _text(value)} for value in values]}


def _text(value: Any) -> str:
    assert not isinstance(value, list | dict), "Athena's texts of lists and structs cannot be read back"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Athena:
    """A workgroup, and all that it was asked to do."""

    trino: Trino
    scan_limit: int = 1 << 40  # bytes of one query
    executions: dict[str, Execution] = field(default_factory=dict)
    starts: list[dict[str, Any]] = field(default_factory=list)
    is_slow: bool = False  # queries do not end by themselves
    throttled: int = 0  # of the next requests

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        found: dict[str, Any] = getattr(self, f"_{operation}")(request)
        return found

    def _StartQueryExecution(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert len(request["QueryString"].encode()) <= 262_144
        assert request["WorkGroup"] == WORKGROUP
        self.starts.append(request)
        id_, execution = str(uuid.uuid4()), Execution(request["QueryString"])
        self.executions[id_] = execution
        if not self.is_slow:
            threading.Thread(target=execution.run, args=(self.trino, self.scan_limit), daemon=True).start()
        return {"QueryExecutionId": id_}

    def _GetQueryExecution(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"QueryExecution": self.executions[request["QueryExecutionId"]].described}

    def _GetQueryResults(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        rows = self.executions[request["QueryExecutionId"]].rows
        start, most = int(request.get("NextToken", 0)), request["MaxResults"]
        assert most <= 1000
        page: dict[str, Any] = {"ResultSet": {"Rows": rows[start : start + most]}}
        return page if start + most >= len(rows) else {**page, "NextToken": str(start + most)}

    def _StopQueryExecution(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.executions[request["QueryExecutionId"]].stopped.set()
        return {}


@contextmanager
def serving(athena: Athena) -> Iterator["AthenaClient"]:
    """A client of the workgroup."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if athena.throttled:
                athena.throttled -= 1
                self._send(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
            else:
                self._send(200, athena.answer(self.headers["X-Amz-Target"].partition(".")[2], request))

        def _send(self, status: int, answer: Mapping[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield _SESSION.client("athena", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
