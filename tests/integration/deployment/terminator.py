"""Speaks TLS before a server that cannot, as stunnel or a mesh does."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def terminated(port: int, inner: int, certificate: Path) -> Iterator[None]:
    """What comes to `port` goes on, deciphered, to `inner`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()
    open_ = asyncio.start_server(lambda r, w: _between(r, w, inner), "127.0.0.1", port, ssl=context)
    server = loop.run_until_complete(open_)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: int) -> None:
    back, on = await asyncio.open_connection("127.0.0.1", inner)
    await asyncio.gather(_copy(reader, on), _copy(back, writer))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(65_536):
            target.write(piece)
            await target.drain()
    target.close()
