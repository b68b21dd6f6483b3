"""Asks a worker's operations port, over plain asyncio so that no client library is needed."""

import asyncio


async def get(port: int, path: str, *, timeout: float = 1.5) -> tuple[int, str] | None:
    """(status, body) of GET http://127.0.0.1:<port><path>, or None when nothing answers in time."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
            return int(head.split(b" ", 2)[1]), body.decode(errors="replace")
    except (OSError, TimeoutError, ValueError, IndexError):
        return None
