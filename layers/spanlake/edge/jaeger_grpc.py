"""Jaeger over gRPC: PostSpans of api_v2's collector service."""

from spanlake.edge.methods import Method, StoringMethod
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.receivers.jaeger import protobuf

SERVICE = "jaeger.api_v2.CollectorService"
PROTOCOL = "jaeger-grpc"  # label of metrics

_FORMAT = Format(PROTOCOL, protobuf.post_spans)


def jaeger_grpc(ingest: Ingest, port: int) -> StoringMethod:
    """Make the collector service for a grpc.aio server on this port."""

    def answer(receipt: Receipt) -> bytes:
        """Return PostSpansResponse, which cannot report rejected spans; raises NothingStored when all were rejected."""
        receipt.require_some()
        ingest.notices.note_rejected(port, receipt.explanation)
        return b""

    return StoringMethod(ingest, Method(SERVICE, "PostSpans", PROTOCOL, _FORMAT, answer))
