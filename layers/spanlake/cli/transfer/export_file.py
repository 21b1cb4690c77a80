"""Files of exported spans, in the formats of the OpenTelemetry Collector's file exporter."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from io import BufferedWriter
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.cli.errors import CommandError
from spanlake.spans.otlp.files import json_line, protobuf_record

_STANDARD_OUTPUT = "-"


class FileFormat(StrEnum):
    """Formats of the OpenTelemetry Collector's file exporter."""

    JSON = "json"
    PROTO = "proto"


_ENCODERS: dict[FileFormat, Callable[[TracesData], bytes]] = {
    FileFormat.JSON: json_line,
    FileFormat.PROTO: protobuf_record,
}
_CODECS: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


class _Sink(Protocol):
    """A file for records."""

    def write(self, data: bytes, /) -> object: ...


@contextmanager
def writing(file: str, file_format: FileFormat) -> Iterator[Callable[[TracesData], None]]:
    """Yield a function that writes traces; the file appears complete once all are written. Raises CommandError.

    The file's extension selects the compression.
    """
    encode = _ENCODERS[file_format]
    with _written(file) as sink:

        def write(traces: TracesData) -> None:
            sink.write(encode(traces))

        yield write


@contextmanager
def _written(file: str) -> Iterator[_Sink]:
    if file == _STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as target, _compressed(target, path.suffix) as sink:
            yield sink
        with partial.open("rb") as whole:
            os.fsync(whole.fileno())
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def _compressed(target: BufferedWriter, suffix: str) -> Iterator[_Sink]:
    if suffix not in _CODECS:
        yield target
        return
    with pa.CompressedOutputStream(target, _CODECS[suffix]) as sink:
        yield sink
