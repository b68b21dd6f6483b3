"""Events per second that one gateway hands to its clients over WebSocket: each of 200 clients gets each event.

The gateway is a process of its own; the clients share this one, and only count. A client parses nothing, so that on two
cores the gateway has one.
"""

import asyncio
import base64
import os
import secrets
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop

from cli.connection import connected
from cli.embedded.servers import Servers
from libs.records.key_store import KeyStore, create_admin_key
from libs.records.keys import TOKEN_BYTES, token_of
from libs.runtime.bus import Bus
from libs.runtime.provision import provision_nats
from tests.fakes.ledger_chain import Chain

CLIENTS = 200
CHAINS = 100


def run() -> list[dict[str, Any]]:
    """One row."""
    with (
        tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder,
        Servers(Path(folder), use_urls=False, users=False) as servers,
    ):
        return uvloop.run(_measure(servers.start()["nats"].url))


class Counter(asyncio.Protocol):
    """Opens a stream, and counts the events in what comes."""

    def __init__(self, token: str, wanted: int, done: asyncio.Event) -> None:
        self._token, self._wanted, self._done = token, wanted, done
        self.events = 0
        self.opened = asyncio.Event()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        head = (
            "GET /api/v1/stream HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {self._token}",
        )
        cast(asyncio.Transport, transport).write("\r\n".join((*head, "", "")).encode())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        self.events += data.count(b'"ref":"')
        self._rest = data[-6:]
        if b"stream.opened" in data:
            self.opened.set()
        if self.events >= self._wanted:
            self._done.set()


async def _measure(url: str) -> list[dict[str, Any]]:
    async with connected(url) as bus:
        await provision_nats(bus.js)
        token = token_of(secrets.token_bytes(TOKEN_BYTES))
        await create_admin_key(KeyStore(bus), token, "bench", datetime.now(UTC))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        variables = {**os.environ, "NATS_URL": url, "PERPETUA_GATEWAY_PORT": str(port), "PERPETUA_LOG_LEVEL": "ERROR"}
        gateway = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.gateway.app", env=variables)
        try:
            took, count = await _handed(bus, port, token)
        finally:
            gateway.terminate()
            await gateway.wait()
    return [
        {
            "name": "stream_events",
            "value": round(count * CLIENTS / took),
            "unit": "events/s",
            "goal": None,
            "met": None,
            "reference": f"{count} events to each of {CLIENTS} clients in {took:.1f} s",
        }
    ]


async def _handed(bus: Bus, port: int, token: str) -> tuple[float, int]:
    """Seconds until every client has every event, and how many there were."""
    messages = [
        (subject, body.model_dump_json(exclude_none=True).encode())
        for n in range(CHAINS)
        for subject, body in Chain(request_id=f"r{n}").messages()[2:]
    ]
    loop, clients = asyncio.get_running_loop(), list[tuple[Counter, asyncio.Event]]()
    await _answers(port)
    for _ in range(CLIENTS):
        done = asyncio.Event()
        counter = Counter(token, len(messages), done)
        await loop.create_connection(lambda counter=counter: counter, "127.0.0.1", port)  # type: ignore[misc]
        await counter.opened.wait()
        clients.append((counter, done))
    began = time.perf_counter()
    for subject, body in messages:
        await bus.publish_fast(subject, body)
    async with asyncio.timeout(300):
        for _, done in clients:
            await done.wait()
    return time.perf_counter() - began, len(messages)


async def _answers(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return
