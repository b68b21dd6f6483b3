"""HTTP servers of a process: uvicorn, begun and ended by the worker."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_SOCKET_MESSAGE = 16 * 1024  # what clients send is short
log = logging.getLogger(__name__)


class CannotListen(Exception):
    """The address is taken or is none of this machine."""


class PatientProtocol(H11Protocol):
    """Gives up a connection whose request does not come whole: its head within `head_s` of its first byte, or of the
    connection."""

    head_s = 10.0
    _waits = False
    _turn = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._waits = False

    def _wait(self) -> None:
        """From the first byte on: more of them do not buy more time."""
        if not self._waits:
            self._waits, self._turn = True, self._turn + 1
            self.loop.call_later(self.head_s, self._give_up, self._turn)

    def _give_up(self, turn: int) -> None:
        if self._waits and turn == self._turn and not self.transport.is_closing():
            self.transport.close()


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the worker owns them."""

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        protocol: type[PatientProtocol] = PatientProtocol,
        sockets: type[asyncio.Protocol] | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws=sockets or "none",
                ws_max_size=MAX_SOCKET_MESSAGE,
                ws_per_message_deflate=False,  # it costs a quarter of a megabyte for each of a thousand clients
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                lifespan="auto",
                timeout_graceful_shutdown=3,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def begin(self) -> None:
        """Return when it answers. Raises CannotListen."""
        host, port = self.config.host, self.config.port
        try:  # uvicorn itself would end the process without a word of ours
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, port), family=family, backlog=self.config.backlog)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else error
            raise CannotListen(f"cannot listen on {host}:{port}: {why}; set another one") from error
        self._task = asyncio.create_task(self.serve([listening]))
        while not self.started:
            if self._task.done():
                self._task.result()
                raise CannotListen(f"the server on {host}:{port} ended before it began")
            await asyncio.sleep(0.01)
        log.info("listening", extra={"port": listening.getsockname()[1]})

    async def end(self) -> None:
        self.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
