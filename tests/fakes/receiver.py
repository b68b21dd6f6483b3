"""A receiver outside: an HTTP server on this machine that answers as the test says, and knows what it got."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data

    def is_signed(self, secret: str = SECRET) -> bool:
        """As a library of Standard Webhooks verifies it."""
        signed = f"{self.event_id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        digest = hmac.new(base64.b64decode(secret.partition("_")[2]), signed, hashlib.sha256).digest()
        return self.headers.get("webhook-signature") == f"v1,{base64.b64encode(digest).decode()}"


@dataclass
class Receiver:
    """`script` are the answers to come: a status, headers too, or None for one that never comes; then 200."""

    url: str = ""
    script: deque[int | tuple[int, dict[str, str]] | None] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def until(self, count: int) -> list[Got]:
        """Return when so many requests have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.got) >= count)
        return self.got

    @property
    def times(self) -> Counter[str]:
        """How often each event came."""
        return Counter(got.event_id for got in self.got)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with suppress(ConnectionError):
            while (got := await _read(reader)) is not None:
                async with self.changed:
                    self.got.append(got)
                    step = self.script.popleft() if self.script else 200
                    self.changed.notify_all()
                if step is not None:
                    writer.write(_answer(*(step if isinstance(step, tuple) else (step, {}))))
                    await writer.drain()
        self.writers.discard(writer)
        writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    fake = Receiver()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield fake
    finally:
        server.close()
        for writer in tuple(fake.writers):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Got | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError:
        return None
    return Got(first.split(" ")[1], headers, body)


def _answer(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\n{lines}\r\n".encode()
