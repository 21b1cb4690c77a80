"""Bodies that are small when compressed and would be large as objects, for every format.

``python -m tests.scenarios.hostile.bombs`` prints what each costs: seconds of processor time, and megabytes.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20
SIZE = 60 * MIB


def varint(number: int) -> bytes:
    """Encode a number as protobuf does."""
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def field(number: int, content: bytes) -> bytes:
    """Encode a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


@dataclass(frozen=True)
class Bomb:
    """A body: a head, a unit that is repeated up to the size, and a tail."""

    head: bytes
    unit: bytes | Callable[[int], bytes]
    tail: bytes = b""

    def body(self, size: int) -> bytes:
        """Return the body."""
        if isinstance(self.unit, bytes):
            return self.head + self.unit * ((size - len(self.head) - len(self.tail)) // len(self.unit)) + self.tail
        count = size // 4 // len(self.unit(10**6))  # making them takes longer than reading
        return self.head + b"".join(map(self.unit, range(count))) + self.tail


def _inside(*numbers: int) -> Callable[[Bomb, int], bytes]:
    """Return a function that wraps a bomb's body in protobuf fields, the outermost first."""

    def wrapped(bomb: Bomb, size: int) -> bytes:
        body = bomb.body(size)
        for number in reversed(numbers):
            body = field(number, body)
        return body

    return wrapped


_IDS = field(1, b"t" * 16) + field(2, b"s" * 8)
_START = b"\x39" + bytes(7) + b"\x10"
_ANY = b"\x12\x02\x0a\x00"

PROTOBUF: Mapping[str, tuple[tuple[int, ...], bytes | Callable[[int], bytes]]] = {
    "resources, empty": ((), field(1, b"")),
    "resources, each other": ((), lambda n: field(1, field(1, field(1, field(1, b"%x" % n) + _ANY)))),
    "scopes, empty": ((1,), field(2, b"")),
    "scopes, each other": ((1,), lambda n: field(2, field(1, field(1, b"%x" % n)))),
    "spans, empty": ((1, 2), field(2, b"")),
    "spans, ids": ((1, 2), field(2, _IDS + _START)),
    "spans, damaged": ((1, 2), field(2, _IDS + _START + b"\x2a\x02\xff\xff")),
    "attributes, empty": ((1, 2, 2), field(9, b"")),
    "attributes, each other": ((1, 2, 2), lambda n: field(9, field(1, b"%x" % n) + _ANY)),
    "attributes, each other damaged": ((1, 2, 2), lambda n: field(9, field(1, b"%x\xff" % n) + _ANY)),
    "events, empty": ((1, 2, 2), field(11, b"")),
    "events, small": ((1, 2, 2), field(11, b"\x12\x02ev\x20\x05")),
    "links, small": ((1, 2, 2), field(13, b"\x0a\x02ab\x12\x02cd")),
    "event attributes": ((1, 2, 2, 11), lambda n: field(3, field(1, b"%x" % n) + _ANY)),
    "array items": ((1, 2, 2, 9, 2, 5), field(1, b"")),
    "array items of text": ((1, 2, 2, 9, 2, 5), field(1, field(1, b"a"))),
    "map items": ((1, 2, 2, 9, 2, 6), lambda n: field(1, field(1, b"%x" % n) + _ANY)),
    "entity refs": ((1, 1), field(3, b"\x0a\x00")),
    "entity keys": ((1, 1, 3), field(3, b"")),
    "unknown fields": ((), b"\x98\x06\x01"),
    "groups": ((), b"\x0b"),
    "statuses": ((1, 2, 2), field(15, b"")),
}

JSON: Mapping[str, tuple[Any, ...]] = {
    "lists": (b'{"resourceSpans":[', b"[],"),
    "numbers": (b'{"resourceSpans":[', b"1,"),
    "nested lists": (b'{"resourceSpans":[', b"[[[[]]]],"),
    "objects": (b'{"resourceSpans":[', b"{},"),
    "small objects": (b'{"resourceSpans":[', b'{"a":1},'),
    "texts": (b'{"resourceSpans":[', b'"aaaa",'),
    "resources": (b'{"resourceSpans":[', b'{"resource":{}},'),
    "spans": (b'{"resourceSpans":[{"scopeSpans":[{"spans":[', b'{"name":"a"},', b"{}]}]}]}"),
    "spans with ids": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[',
        b'{"traceId":"01","spanId":"01","startTimeUnixNano":1},',
        b"{}]}]}]}",
    ),
    "attributes": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[',
        b'{"key":"a","value":{}},',
        b"{}]}]}]}]}",
    ),
    "array values": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":{"arrayValue":{"values":[',
        b'{"intValue":1},',
        b"{}]}}}]}]}]}]}",
    ),
    "members": (b'{"resourceSpans":[],', lambda n: b'"%x":1,' % n, b'"a":1}'),
    "escapes": (b'{"resourceSpans":["', b"\\u0000", b'"]}'),
    "surrogates": (b'{"resourceSpans":["', b"\\ud800", b'"]}'),
    "invalid text": (b'{"resourceSpans":["', b"\xff", b'"]}'),
    "digits": (b'{"resourceSpans":[', b"9", b"]}"),
    "depth": (b"", b"[", b""),
    "objects in depth": (b"", b'{"a":', b""),
    "unended texts": (b'{"resourceSpans":[', b'"', b""),
    "spaces": (b'{"resourceSpans":[', b" ", b"]}"),
}

_ZIPKIN = b'{"traceId":"1","id":"1","name":"a","timestamp":1'
ZIPKIN_JSON: Mapping[str, tuple[Any, ...]] = {
    "spans, empty": (b"[", b"{},", b"{}]"),
    "spans": (b"[", _ZIPKIN + b"},", b"{}]"),
    "tags": (b"[" + _ZIPKIN + b',"tags":{', lambda n: b'"%x":"1",' % n, b'"a":"1"}}]'),
    "tags in a list": (b"[" + _ZIPKIN + b',"tags":[', b'{"key":"a","value":"b"},', b"{}]}]"),
    "annotations": (b"[" + _ZIPKIN + b',"annotations":[', b'{"timestamp":1,"value":"a"},', b"{}]}]"),
    "binary annotations": (b"[" + _ZIPKIN + b',"binaryAnnotations":[', b'{"key":"a","value":"b"},', b"{}]}]"),
    "lists": (b"[", b"[],", b"[]]"),
    "numbers": (b"[", b"1,", b"1]"),
}

_LIST = b"\x0c" + (2**22).to_bytes(4)
THRIFT: Mapping[str, tuple[Any, ...]] = {
    "zipkin spans": (b"\x0c" + (SIZE - 5).to_bytes(4), b"\0"),
    "zipkin spans with a name": (b"\x0c" + ((SIZE - 5) // 10).to_bytes(4), b"\x0b\0\3\0\0\0\2ab\0"),
    "zipkin annotations": (
        b"\x0c\0\0\0\1\x0f\0\6\x0c" + ((SIZE - 20) // 12).to_bytes(4),
        b"\x0a\0\1" + bytes(8) + b"\0",
    ),
    "zipkin binary annotations": (
        b"\x0c\0\0\0\1\x0f\0\x08\x0c" + ((SIZE - 20) // 16).to_bytes(4),
        b"\x0b\0\1\0\0\0\1a\x0b\0\2\0\0\0\0\0",
    ),
    "jaeger spans": (b"\x0c\0\1\x0b\0\1\0\0\0\1a\0\x0f\0\2\x0c" + (SIZE - 30).to_bytes(4), b"\0"),
    "jaeger tags": (
        b"\x0c\0\1\x0b\0\1\0\0\0\1a\x0f\0\2\x0c" + ((SIZE - 40) // 23).to_bytes(4),
        b"\x0b\0\1\0\0\0\1a\x08\0\2\0\0\0\0\x0b\0\3\0\0\0\0\0",
    ),
    "unknown fields": (b"\x0c", b"\x02\0\x63\1"),
    "unknown structs": (b"\x0c\0\1", b"\x0c\0\x63"),
    "a list of booleans": (b"\x0f\0\x63\2" + (SIZE - 9).to_bytes(4), b"\1"),
}


def bodies(size: int = SIZE) -> Iterator[tuple[str, str, bytes]]:
    """Yield format, name and body of each bomb."""
    for name, (numbers, unit) in PROTOBUF.items():
        for format_ in ("otlp-proto", "jaeger-grpc", "opencensus"):
            if format_ == "otlp-proto" or not callable(unit):
                yield format_, name, _inside(*numbers)(Bomb(b"", unit), size)
    for name, (within, each, formats) in _OTHER_PROTOBUF.items():
        for format_ in formats:
            yield format_, name, _inside(*within)(Bomb(b"", each), size)
    for name, parts in JSON.items():
        yield "otlp-json", name, Bomb(*parts).body(size)
    for name, parts in ZIPKIN_JSON.items():
        yield "zipkin-v2-json", name, Bomb(*parts).body(size)
        yield "zipkin-v1-json", name, Bomb(*parts).body(size)
    for name, parts in THRIFT.items():
        for format_ in ("zipkin-v1-thrift", "jaeger-http", "jaeger-binary"):
            yield format_, name, Bomb(*parts).body(size)


_OTHER_PROTOBUF: Mapping[str, tuple[tuple[int, ...], bytes | Callable[[int], bytes], tuple[str, ...]]] = {
    "spans, empty ": ((), b"\x0a\x00", ("zipkin-v2-proto",)),
    "spans, ids ": ((), field(1, field(1, b"t" * 16) + field(3, b"s" * 8)), ("zipkin-v2-proto",)),
    "tags ": ((1,), lambda n: field(11, field(1, b"%x" % n)), ("zipkin-v2-proto",)),
    "tags, empty ": ((1,), field(11, b""), ("zipkin-v2-proto",)),
    "annotations ": ((1,), field(10, b""), ("zipkin-v2-proto",)),
    "annotations with text ": ((1,), field(10, b"\x12\x01a"), ("zipkin-v2-proto",)),
    "spans in a batch": ((1,), field(1, b""), ("jaeger-grpc",)),
    "spans with ids in a batch": ((1,), field(1, field(1, b"t" * 16) + field(2, b"s" * 8)), ("jaeger-grpc",)),
    "tags of a span": ((1, 1), lambda n: field(8, field(1, b"%x" % n)), ("jaeger-grpc",)),
    "logs of a span": ((1, 1), field(9, b"\x12\x00"), ("jaeger-grpc",)),
    "log fields": ((1, 1, 9), field(2, field(1, b"a")), ("jaeger-grpc",)),
    "references": ((1, 1), field(4, b"\x0a\x01a"), ("jaeger-grpc",)),
    "census spans": ((), field(2, b""), ("opencensus",)),
    "census spans with ids": ((), field(2, field(1, b"t" * 16) + field(2, b"s" * 8)), ("opencensus",)),
    "census attributes": ((2, 7), lambda n: field(1, field(1, b"%x" % n) + b"\x12\x00"), ("opencensus",)),
    "census events": ((2, 9), field(1, b"\x12\x00"), ("opencensus",)),
    "census links": ((2, 10), field(1, b"\x0a\x01a"), ("opencensus",)),
}


def outcome(format_: str, body: bytes) -> str:
    """Read a body as ingest does; returns what became of it."""
    from spanlake.ingest.pipeline import to_otlp
    from spanlake.ingest.request import Request
    from spanlake.spans.otlp.decode import decode
    from spanlake.spans.otlp.errors import MalformedRequest
    from tests.scenarios.hostile.formats import FORMATS

    (request,) = to_otlp([Request.of(body, FORMATS[format_])])
    if isinstance(request, Exception):
        return "refused" if isinstance(request, MalformedRequest) else f"BROKEN {request!r}"
    try:
        return f"{decode([request.body]).table.num_rows} spans"
    except MalformedRequest:
        return "refused"


def cost(format_: str, body: bytes) -> tuple[str, float, float]:
    """Read a body in a process of its own; returns the outcome, seconds of processor time, and megabytes."""
    receive, send = multiprocessing.Pipe(duplex=False)

    def read() -> None:
        outcome(format_, b"")
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.process_time()
        found = outcome(format_, body)
        after = resource.getrusage(resource.RUSAGE_SELF)
        send.send((found, time.process_time() - began, (after.ru_maxrss - before.ru_maxrss) / 1024))

    child = multiprocessing.get_context("fork").Process(target=read)
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        return "TOO LONG", 60.0, 0.0
    return receive.recv() if receive.poll() else (f"DIED {child.exitcode}", 0.0, 0.0)


def main() -> None:
    """Print what each bomb costs; arguments choose formats."""
    for format_, name, body in bodies():
        if not sys.argv[1:] or format_ in sys.argv[1:]:
            found, seconds, megabytes = cost(format_, body)
            mark = "!" if seconds > 3 or megabytes > 400 or found.isupper() else " "
            print(f"{mark} {format_:17} {name:32} {found:18} {seconds:6.2f} s {megabytes:7.0f} MB", flush=True)


if __name__ == "__main__":
    main()
