"""Loopback ports."""

import random
import socket
from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
# Below the range that the kernel takes local ports of outgoing connections from: a port that is free now would
# otherwise often be taken by one of those before the server gets to it.
FIRST, LAST = 15_000, 32_000


def is_free(port: int) -> bool:
    """True when a server could listen on `port` now. SO_REUSEADDR as the servers set it: TIME_WAIT is no obstacle."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def pick(count: int, wanted: Sequence[int] = ()) -> list[int]:
    """`count` free ports: `wanted` when they are that many and all free, else new ones, all different.

    Free means free now: the server may still lose the race for it, so callers try again.
    """
    if len(wanted) == count and all(is_free(port) for port in wanted):
        return list(wanted)
    found: list[int] = []
    while len(found) < count:
        port = random.randint(FIRST, LAST)
        if port not in found and is_free(port):
            found.append(port)
    return found
