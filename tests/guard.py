"""Nothing in the tests connects to another machine."""

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

from tests.containers import CONTAINERS, named_hosts

refused: list[str] = []
"""`host:port` of each connection that was refused since the current test began."""


def allowed_hosts() -> set[str]:
    """Servers that were named on purpose, besides loopback."""
    return {"localhost", *named_hosts()}


def guard_connections() -> None:
    """Refuse connections beyond loopback from now on, for the whole run.

    Trap: uvloop connects without Python's sockets; tests run on asyncio's own loop.
    """
    hosts = allowed_hosts()
    if os.environ.get(CONTAINERS) == "1":
        return
    allowed = hosts | {found[4][0] for host in hosts for found in _resolve(host)}

    def checked(connect: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(self: socket.socket, address: Any, /) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_allowed(address[0], allowed):
                refused.append(f"{address[0]}:{address[1]}")
                raise ConnectionRefusedError(f"tests may not connect to {address[0]}")
            return connect(self, address)

        return guarded

    socket.socket.connect = checked(socket.socket.connect)  # type: ignore[method-assign]
    socket.socket.connect_ex = checked(socket.socket.connect_ex)  # type: ignore[method-assign]


def _resolve(host: str) -> list[Any]:
    try:
        return socket.getaddrinfo(host, None)
    except OSError:
        return []


def is_allowed(host: str, allowed: set[object]) -> bool:
    if host in allowed:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
