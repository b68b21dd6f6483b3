"""Connections that stay open: WebSockets, and what an application may do to a connection whose client does not read.

Each scope has the extension `perpetua.line` with its `ClientLine`.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from libs.runtime.server import HttpServer, PatientProtocol

LINE = "perpetua.line"
SEND_BUFFER = 256 * 1024  # of the kernel, which would hold megabytes for each client that does not read
PARTING_S = 12.0  # a client that does not read the end is cut off: a little more than uvicorn waits for its answer


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class ClientLine:
    """`cut` ends the connection at once, whatever it has not read. `leaving` is set when the server stops."""

    cut: Callable[[], None] = _nothing
    leaving: asyncio.Event = field(default_factory=asyncio.Event)


def line_of(scope: Any) -> ClientLine:
    """That of the connection; one that does nothing where the server has none."""
    line = scope.get("extensions", {}).get(LINE)
    return line if isinstance(line, ClientLine) else ClientLine()


class LinedProtocol(PatientProtocol):
    """HTTP whose answers may last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _bound(transport)
        self._line = ClientLine(transport.abort)
        self.app = _with_line(self.app, self._line)

    def shutdown(self) -> None:
        self._line.leaving.set()
        super().shutdown()


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets with an end for certain."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app = _with_line(self.app, ClientLine(self.transport.abort))

    async def send(self, message: Any) -> None:
        """A refusal is a whole answer; uvicorn takes it for none and says so, as an error, each time."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(PARTING_S, self.transport.abort)


def _bound(transport: asyncio.BaseTransport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _with_line(app: Any, line: ClientLine) -> Any:
    async def lined(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"] = {**scope.get("extensions", {}), LINE: line}
        await app(scope, receive, send)

    return lined


class LastingServer(HttpServer):
    """One whose answers may last, and that speaks WebSocket."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        super().__init__(app, host, port, LinedProtocol, SocketProtocol)
