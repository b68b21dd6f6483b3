"""A request that does not come whole is given up; one that is whole may be answered slowly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.runtime.server import HttpServer, PatientProtocol

HEAD_S = 0.3


class Impatient(PatientProtocol):
    head_s = HEAD_S


async def slow(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    await asyncio.sleep(2 * HEAD_S)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = HttpServer(slow, "127.0.0.1", 0, Impatient)
    await server.begin()
    (listening,) = server.servers[0].sockets
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        await server.end()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a"], ids=["nothing", "half a head"])
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async with connection() as (reader, writer), asyncio.timeout(30):
        writer.write(sent)
        assert await reader.read() == b""


async def test_a_whole_request_is_answered_and_the_next_half_is_given_up() -> None:
    async with connection() as (reader, writer), asyncio.timeout(30):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await reader.read() == b""
