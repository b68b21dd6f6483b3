"""A local HTTP server that speaks the OpenAI and OpenRouter chat API and does what its script says, call by call."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200}


@dataclass(frozen=True)
class Answer:
    """A completion. `usage` None leaves it out; `cost` is OpenRouter's own figure in dollars.

    It is given when so many requests, `beside`, have been in hand at once and `when` is set, and `delay_s` later.
    """

    text: str | None
    usage: Mapping[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    cost: float | None = None
    reasoning: str | None = None
    finish_reason: str = "stop"
    delay_s: float = 0.0
    beside: int = 1
    when: asyncio.Event | None = None


@dataclass(frozen=True)
class Status:
    """An error of the provider, as OpenRouter words it."""

    code: int
    message: str = "the server says no"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer."""


@dataclass(frozen=True)
class Raw:
    """Status 200 with a body of any kind."""

    body: str


@dataclass(frozen=True)
class Bytes:
    """Status and bytes of any kind, under these headers."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    code: int = 200


Script = Answer | Status | Drop | Raw | Bytes


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class ModelServer:
    def __init__(self) -> None:
        self.script: deque[Script] = deque()
        self.by_model: dict[str, Script] = {}  # what a model answers each time, beside the script
        self.requests: list[Request] = []
        self.key_answer: Script = Raw('{"object": "list", "data": {"label": "scripted"}}')
        self.key_requests: list[Request] = []
        self.url = ""
        self.connections: set[asyncio.StreamWriter] = set()
        self._in_hand = self._most_in_hand = 0
        self._arrived = asyncio.Condition()

    def then(self, *script: Script) -> None:
        self.script.extend(script)

    def _step(self, request: Request) -> Script:
        """What is asked about the key is apart from the script of completions: `key_answer` each time."""
        if request.method == "GET":
            self.key_requests.append(request)
            return self.key_answer
        self.requests.append(request)
        if (always := self.by_model.get(request.body.get("model", ""))) is not None:
            return always
        return self.script.popleft() if self.script else Status(500, "the script of the test is at its end")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                step = self._step(request)
                if isinstance(step, Drop):
                    return
                if isinstance(step, Answer):
                    await self._take_time(step)
                writer.write(_response(step, request))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.connections.discard(writer)
            writer.close()

    async def _take_time(self, answer: Answer) -> None:
        async with self._arrived:
            self._in_hand += 1
            self._most_in_hand = max(self._most_in_hand, self._in_hand)
            self._arrived.notify_all()
            await self._arrived.wait_for(lambda: self._most_in_hand >= answer.beside)
        if answer.when is not None:
            await answer.when.wait()
        await asyncio.sleep(answer.delay_s)
        self._in_hand -= 1


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    """A running server; `url` is the base URL that a client is given."""
    fake = ModelServer()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    try:
        yield fake
    finally:
        server.close()
        for writer in tuple(fake.connections):
            writer.close()
            with suppress(ConnectionError):  # who reads no more has closed it
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path = first.split(" ")[:2]
    return Request(method, path, headers, json.loads(body) if body else {})


def _response(step: Script, request: Request) -> bytes:
    match step:
        case Answer():
            return _http(200, json.dumps(_completion(step, request)))
        case Status(code, message, headers):
            return _http(code, json.dumps({"error": {"message": message, "code": code}}), headers)
        case Raw(body):
            return _http(200, body)
        case Bytes(body, headers, code):
            return _http(code, body, headers)
        case Drop():
            return b""


def _completion(answer: Answer, request: Request) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.reasoning:
        message["reasoning"] = answer.reasoning
    body: dict[str, Any] = {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1_777_896_000,
        "model": f"{request.body.get('model')}-0605",
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
    }
    if answer.usage is not None:
        body["usage"] = {**answer.usage, **({} if answer.cost is None else {"cost": answer.cost})}
    return body


def _http(code: int, body: str | bytes, headers: Mapping[str, str] | None = None) -> bytes:
    data = body if isinstance(body, bytes) else body.encode()
    fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {code} Scripted\r\n{head}\r\n".encode() + data
