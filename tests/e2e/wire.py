"""A publisher in any language: a TCP socket, lines of text and JSON. Nothing of ours and no client library."""

import json
import socket
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


class RawPublisher:
    """The publishing half of the NATS protocol. ConnectionError where the server complains."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 4222), timeout=TIMEOUT_S)
        self._lines = self._socket.makefile("rb")
        self._expect(b"INFO ")
        login = {"verbose": False, "lang": "anything", "user": parts.username, "pass": parts.password}
        self._socket.sendall(b"CONNECT %b\r\n" % json.dumps(login).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        self._socket.close()

    def publish(self, subject: str, body: bytes) -> None:
        self._socket.sendall(b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(body), body))

    def tick(self, subject: str, **fields: Any) -> None:
        self.publish(subject, json.dumps(fields).encode())

    def flush(self) -> None:
        """Return when the server has taken everything."""
        self._socket.sendall(b"PING\r\n")
        self._expect(b"PONG")

    def _expect(self, wanted: bytes) -> None:
        while line := self._lines.readline():
            if line.startswith(wanted):
                return
            if line.startswith(b"PING"):
                self._socket.sendall(b"PONG\r\n")
            elif line.startswith(b"-ERR"):
                raise ConnectionError(line.decode().strip())
        raise ConnectionError("the server closed the connection")
