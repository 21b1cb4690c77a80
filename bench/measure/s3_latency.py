"""A server as if it were farther away: what is sent to it arrives later."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK = 1 << 16
_HOST = "127.0.0.1"


@contextmanager
def distant(url: str, seconds: float) -> Iterator[str]:
    """The URL at which a server of this machine takes so much longer to hear what it is asked."""
    port = urlsplit(url).port
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(_HOST, port)
        with suppress(asyncio.CancelledError):  # of which asyncio would print a traceback
            await asyncio.gather(_carry(reader, back, seconds), _carry(there, writer, 0.0))

    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(connected, _HOST, 0), loop).result()
    try:
        yield f"http://{_HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_hung_up(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _hung_up() -> None:
    """End all connections."""
    open_ones = asyncio.all_tasks() - {asyncio.current_task()}
    for task in open_ones:
        task.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    try:
        while data := await reader.read(_CHUNK):
            await asyncio.sleep(seconds)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
