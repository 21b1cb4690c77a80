"""OTLP requests in protobuf, the decoder's input, and in JSON."""

from collections.abc import Sequence

from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.decode import USUAL, Decoded, Options, decode
from spanlake.spans.otlp.errors import MalformedRequest


def read(bodies: Sequence[bytes], options: Options = USUAL) -> Decoded:
    """Decode ExportTraceServiceRequests in protobuf, all in one pass. Raises MalformedRequest."""
    return decode(bodies, options)


def read_json(body: bytes) -> Translated:
    """Convert an ExportTraceServiceRequest in OTLP/JSON to protobuf, for ``read``. Raises MalformedRequest."""
    from spanlake.receivers import json_parser  # with OpenTelemetry's messages, 40 ms of a start
    from spanlake.spans.otlp.json_decode import read_request

    try:
        request = read_request(json_parser.parse(body))
    except ValueError as error:
        raise MalformedRequest(str(error)) from error
    return Translated(request.message.SerializeToString(), request.rejected)
