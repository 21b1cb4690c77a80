"""OTLP over gRPC: the Export method of the trace service, with its messages left as bytes."""

from spanlake.edge.methods import Method, StoringMethod
from spanlake.ingest.request import Receipt
from spanlake.ingest.service import Ingest

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
PROTOCOL = "grpc"  # label of metrics


def otlp_grpc(ingest: Ingest) -> StoringMethod:
    """Make the trace service for a grpc.aio server."""
    return StoringMethod(ingest, Method(SERVICE, "Export", PROTOCOL, None, Receipt.to_otlp))
