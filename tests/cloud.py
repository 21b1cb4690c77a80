"""A real S3 server and DynamoDB Local for tests, started once in a session on free ports."""

import io
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse, HeadersDict
from urllib3 import HTTPResponse

from tests.server_process import patiently
from tests.toolchain import BRIEF_JVM, installed

if TYPE_CHECKING:
    import boto3

_SCRIPT = Path(__file__).parents[1] / "scripts" / "cloud" / "servers.sh"
_REGION = "us-east-1"
_KEY, _SECRET = "spanlakekey", "spanlakesecret"


@dataclass(frozen=True)
class Cloud:
    """Two running servers, and how to reach them."""

    s3: str  # URLs
    dynamodb: str
    s3_log: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment that makes a process take these servers for AWS."""
        return {
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    @cached_property
    def session(self) -> "boto3.Session":
        """A session for use in this process, which must have the environment."""
        import boto3

        return boto3.Session()

    def bucket(self) -> str:
        """A new bucket."""
        name = f"lake-{secrets.token_hex(6)}"
        self.session.client("s3").create_bucket(Bucket=name)
        return name

    def table(self) -> str:
        """A new table for an index."""
        from spanlake.store.index.dynamodb.table import create_table

        name = f"index-{secrets.token_hex(6)}"
        create_table(self.session.client("dynamodb"), name)
        return name


def prepared() -> Path:
    """The directory that holds the servers' programs.

    Skips the test on a machine that cannot have them, unless CI is true: then it fails.
    """
    (folder,) = installed(_SCRIPT, "servers to stand in for AWS")
    return Path(folder)


@contextmanager
def running(folder: Path) -> Iterator[Cloud]:
    """Both servers, whose data is in this folder and in memory."""
    s3, dynamodb = free_port(), free_port()
    with s3_server(folder, s3), _process(_dynamodb_command(prepared(), dynamodb), folder / "dynamodb.log"):
        _wait_for(dynamodb)
        yield Cloud(f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{dynamodb}", folder / "s3-requests.log")


@contextmanager
def s3_server(folder: Path, port: int) -> Iterator[None]:
    """An S3 server, whose data is in this folder and stays there."""
    for name in ("buckets", "metadata"):
        (folder / name).mkdir(exist_ok=True)
    with _process(_s3_command(prepared(), folder, port), folder / "s3.log"):
        _wait_for(port)
        yield


def _s3_command(programs: Path, folder: Path, port: int) -> list[str]:
    access = ["--access", _KEY, "--secret", _SECRET, "--region", _REGION, "--keep-alive", "--quiet"]
    log = ["--access-log", str(folder / "s3-requests.log")]
    storage = ["posix", "--sidecar", str(folder / "metadata"), str(folder / "buckets")]
    return [str(programs / "versitygw-1.8.0"), "--port", f"127.0.0.1:{port}", *access, *log, *storage]


def _dynamodb_command(programs: Path, port: int) -> list[str]:
    jars = programs / "dynamodb-local-2.6.1"
    main = "com.amazonaws.services.dynamodbv2.local.main.ServerRunner"
    memory = ["-Xmx512m", f"-Djava.library.path={jars}", "-Dsoftware.amazon.dynamodb.disableTelemetry=true"]
    options = ["-inMemory", "-disableTelemetry", "-port", str(port)]
    return ["java", *BRIEF_JVM, *memory, "-cp", f"{jars}/*", main, *options]


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in patiently():
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError(f"nobody listens on port {port}")


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def calls(client: Any) -> Iterator[list[str]]:
    """The names of the operations that a client of boto3 is asked for meanwhile."""
    made: list[str] = []

    def note(model: Any, **_: Any) -> None:
        made.append(model.name)

    client.meta.events.register("before-call", note)
    yield made
    client.meta.events.unregister("before-call", note)


@dataclass(frozen=True)
class Reply:
    """An answer that a client gets without the service's having been asked."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def refusal(cls, code: str, status: int = 400, **more: object) -> "Reply":
        """DynamoDB's way to say no."""
        return cls(status, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **more}).encode())

    @classmethod
    def s3_refusal(cls, code: str, status: int) -> "Reply":
        """S3's way to say no."""
        return cls(status, f"<Error><Code>{code}</Code></Error>".encode())

    def to(self, request: Any) -> AWSResponse:
        """The reply as what a request came to."""
        raw = HTTPResponse(io.BytesIO(self.body), preload_content=False)
        return AWSResponse(request.url, self.status, HeadersDict(self.headers), raw)  # type: ignore[arg-type]


@contextmanager
def answering(client: Any, operation: str, *replies: Reply | Exception | None) -> Iterator[list[str]]:
    """Let the next attempts at an operation end so, those with None as the service says; replies are noted."""
    waiting, done = list(replies), []

    def send(request: Any, **_: Any) -> Any:
        if not waiting:
            return None
        reply = waiting.pop(0)
        if reply is None:
            return None
        done.append(str(reply))
        if isinstance(reply, Exception):
            raise reply
        return reply.to(request)

    event = f"before-send.*.{operation}"
    client.meta.events.register(event, send)
    yield done
    client.meta.events.unregister(event, send)
