"""What tests of streams share: a gateway that listens, and clients of both kinds that note what they were told."""

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import nats
from nats.js import JetStreamContext
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from libs.records.key_store import KeyStore
from libs.records.keys import ApiKey, Scope, new_key, token_of
from libs.runtime.ending import end
from libs.runtime.provision import provision_nats
from libs.runtime.sockets import LastingServer
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.names import key_of
from services.gateway.app import create_app
from services.gateway.settings import Settings
from tests import builders
from tests.fakes.ledger_chain import Chain
from tests.integration.api_keys import admin_token
from tests.pace import PATIENCE_S

STREAM = "/api/v1/stream"
ACCOUNTS = ("alpha", "beta")


@dataclass
class Listening:
    """A gateway that listens, and a way to publish past it."""

    worker: Worker
    server: LastingServer
    port: int
    js: JetStreamContext
    admin: str
    settings: Settings

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket(self, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{STREAM}{'?' if query else ''}{query}"

    async def publish(self, chain: Chain) -> int:
        """All events of a decision; how many."""
        return await self.store(chain.messages()[2:])

    async def store(self, messages: Iterable[tuple[str, Message]]) -> int:
        count = 0
        for subject, body in messages:
            await self.js.publish(subject, body.model_dump_json(exclude_none=True).encode())
            count += 1
        return count

    async def key(self, **limits: Any) -> tuple[str, ApiKey]:
        """The token of a key that this gateway knows already."""
        token, scopes = token_of(secrets.token_bytes(32)), limits.pop("scopes", [Scope.READ])
        key = new_key(token, "a test's", scopes, datetime.now(UTC), **limits)
        await KeyStore(self.worker.bus).add(key)
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(base_url=self.http) as api:
            headers = {"Authorization": f"Bearer {token}"}
            while (await api.get("/api/v1/accounts", headers=headers)).status_code == 401:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return token, key

    async def again(self) -> "Listening":
        """The same gateway as a new process would be, at the same port."""
        await self.close()
        return await _listening(self.settings, self.js, self.admin, self.port)

    async def close(self) -> None:
        await self.server.end()
        await self.worker.stop()


@asynccontextmanager
async def listening(nats_url: str, **settings: Any) -> AsyncIterator[Listening]:
    connection = await nats.connect(nats_url)
    js = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(js)
    for name in ACCOUNTS:
        account = builders.account(name, strategy_id="steady")
        await js.publish(f"$KV.config.{subjects.account_key(key_of(name))}", account.model_dump_json().encode())
    token = await admin_token(nats_url)
    made = Settings.model_validate({"nats_url": nats_url, "mongodb_url": "mongodb://127.0.0.1:1/"} | settings)
    gateway = await _listening(made, js, token, 0)
    try:
        yield gateway
    finally:
        await gateway.close()
        await connection.close()


async def _listening(settings: Settings, js: JetStreamContext, token: str, port: int) -> Listening:
    worker = create_app(settings)
    await worker.start()
    ((app, _, _),) = worker._http
    server = LastingServer(app, "127.0.0.1", port)
    await server.begin()
    return Listening(worker, server, server.servers[0].sockets[0].getsockname()[1], js, token, settings)


@dataclass
class Client:
    """Reads a stream, and begins again behind its last event when it was cut."""

    token: str
    query: str = ""
    last_id: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    connection: ClientConnection | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    closed: tuple[int, str] | None = None

    async def connect(self, gateway: Listening, receive_buffer: int = 0) -> None:
        """Returns when the stream is open. A small buffer is soon full."""
        query = "&".join(part for part in (self.query, self.last_id and f"last_event_id={self.last_id}") if part)
        headers = {"Authorization": f"Bearer {self.token}"}
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", gateway.port))
        self.connection = await connect(
            gateway.socket(query),
            sock=plain,
            additional_headers=headers,
            proxy=None,
            compression=None,
            open_timeout=PATIENCE_S,
        )
        self.take(await self.connection.recv())

    async def listen(self, gateway: Listening) -> None:
        """Until it is closed; what closed it is in `closed`."""
        await self.connect(gateway)
        assert self.connection is not None
        try:
            async for text in self.connection:
                self.take(text)
        except ConnectionClosed as end:
            self.closed = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")
        else:
            self.closed = (self.connection.close_code or 0, self.connection.close_reason or "")
        self.changed.set()

    def take(self, text: str | bytes) -> None:
        event = json.loads(text)
        (self.said if event["type"].startswith("stream.") else self.events).append(event)
        self.last_id = event["id"]
        self.changed.set()

    def cut(self) -> None:
        """As a cable would."""
        if self.connection is not None:
            self.connection.transport.abort()

    async def until(self, reached: Callable[["Client"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not reached(self):
                self.changed.clear()
                await self.changed.wait()

    async def has(self, count: int) -> None:
        """Returns when so many events came."""
        await self.until(lambda it: len(it.events) >= count)

    @property
    def refs(self) -> list[str]:
        return [event["ref"] for event in self.events]


class Counting(Client):
    """One of very many: it notes which events came, and nothing more."""

    def take(self, text: str | bytes) -> None:
        assert isinstance(text, str)
        _, there, rest = text.partition('"ref":"')
        if there:
            self.events.append({"ref": sys.intern(rest[: rest.index('"')])})
        else:
            self.said.append({})
        self.changed.set()


@asynccontextmanager
async def client(gateway: Listening, token: str, query: str = "", last_id: str = "") -> AsyncIterator[Client]:
    """One whose stream is open."""
    made = Client(token, query, last_id)
    task = asyncio.create_task(made.listen(gateway))
    try:
        await made.until(lambda one: bool(one.said) or task.done())
        yield made
    finally:
        if made.connection is not None:
            await made.connection.close()
        await end([task])
