"""A connection to the bus for a command."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import nats
import nats.errors
from nats.aio.client import Client

from cli.embedded.kind import without_credentials
from cli.errors import CliError
from libs.runtime.authorities import authorities
from libs.runtime.bus import Bus
from libs.runtime.settings import inbox_of

CONNECT_TIMEOUT_S = 3
CA = "PERPETUA_NATS_CA"


@dataclass(frozen=True, slots=True)
class _Plain:
    connection: Client


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Bus]:
    """The bus at `url`, closed at the end; it reconnects for ever in between. CliError when nothing answers."""
    buses: list[Bus] = []

    async def reconnected() -> None:
        for bus in buses:
            await bus.reconnected()

    try:
        await _reach(url)
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise CliError(
            f"NATS at {without_credentials(url)} does not answer: {error or type(error).__name__}",
            "is it running? see `perpetua status`",
        ) from error
    connection = await nats.connect(
        url,
        name="perpetua-cli",
        inbox_prefix=_inbox(url),
        tls=authorities(os.environ.get(CA, "")),
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        reconnected_cb=reconnected,
        error_cb=_refused,
    )
    try:
        buses.append(Bus(_Plain(connection), "cli"))
        yield buses[0]
    finally:
        await connection.drain()


async def _reach(url: str) -> None:
    """Fails fast where the broker would try for ever. Trap: with 0 attempts nats-py tries for ever too."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        connection = await nats.connect(
            url,
            allow_reconnect=False,
            connect_timeout=CONNECT_TIMEOUT_S,
            error_cb=_silent,
            max_reconnect_attempts=1,
            tls=authorities(os.environ.get(CA, "")),
        )
    await connection.close()


def _inbox(url: str) -> str:
    return inbox_of(url, os.environ.get("PERPETUA_NATS_INBOX", ""))


async def _silent(error: Exception) -> None:
    return


async def _refused(error: Exception) -> None:
    """Say what the user of this address may not do: the time-out that follows would not tell. All else is silent, where
    nats-py prints tracebacks; the observer shows what is away."""
    if "permissions violation" in str(error).lower():
        sys.stderr.write(f"NATS refuses this user: {str(error).removeprefix('nats: ')}\n")
