"""OpenCensus over gRPC, when its sender goes away."""

import asyncio
from concurrent.futures import Future
from unittest.mock import Mock, call

import grpc
import grpc.aio

from spanlake.edge.opencensus import OpenCensusGrpc
from spanlake.ingest.admission import Admission
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.settings.model import IngestLimits
from tests.edge.test_span_streams import EXPORT, census

_PATIENCE = 60  # seconds


def test_opencensus_stream_stores_requests_read_before_client_disconnects() -> None:
    asyncio.run(asyncio.wait_for(_go_away_while_it_is_stored(), _PATIENCE))


async def _go_away_while_it_is_stored() -> None:
    submitted: asyncio.Queue[Future[Receipt]] = asyncio.Queue()

    def submit(tenant: str, body: bytes, format_: Format | None = None) -> Future[Receipt]:
        answer = Future[Receipt]()
        submitted.put_nowait(answer)
        return answer

    metrics, admission = Mock(), Admission(max_requests=1, max_bytes=1 << 20)
    server = grpc.aio.server()
    service = OpenCensusGrpc(Ingest(admission, submit, IngestLimits(), metrics))
    server.add_generic_rpc_handlers((service.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.stream_stream(EXPORT, request_serializer=bytes, response_deserializer=bytes)
        stream = export(None)
        await stream.write(census("a"))
        answer = await submitted.get()
    await server.stop(None)
    assert not answer.cancelled()
    answer.set_result(Receipt(1))
    while call("opencensus", "OK") not in metrics.request.mock_calls:
        await asyncio.sleep(0.01)
    assert admission.bytes_in_flight == 0


def test_idle_streams_give_way_to_others() -> None:
    async def run() -> list[tuple[grpc.StatusCode, bool]]:
        ingest = Ingest(Admission(max_requests=1, max_bytes=1 << 20), Mock(), IngestLimits(), Mock())
        service = OpenCensusGrpc(ingest, most_waiting=2)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((service.handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        ended = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for method in (EXPORT, EXPORT.replace("Export", "Config")):
                streams = [
                    channel.stream_stream(method, request_serializer=bytes, response_deserializer=bytes)(None)
                    for _ in range(3)
                ]
                codes = [asyncio.ensure_future(each.code()) for each in streams]
                (first, *_), _ = await asyncio.wait(codes, return_when=asyncio.FIRST_COMPLETED)
                over = next(each for each in streams if each.done())
                hints = {key for key, _ in await over.trailing_metadata()}
                ended.append((first.result(), "grpc-status-details-bin" in hints))
                for each in streams:
                    each.cancel()
        await server.stop(None)
        return ended

    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert asyncio.run(asyncio.wait_for(run(), _PATIENCE)) == [(exhausted, True)] * 2
