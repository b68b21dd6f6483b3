"""Starts a server of ours again when it ends."""

import asyncio
from collections.abc import Callable

from cli.embedded.errors import ServerError
from cli.embedded.servers import Servers
from cli.run.backoff import Backoff
from libs.runtime.ending import end

LOOK_EVERY_S = 1.0


class Keeper:
    """Watches over the servers that are our children. `restarts` counts per server."""

    def __init__(self, servers: Servers, said: Callable[[str], None]) -> None:
        self._servers = servers
        self._said = said
        self._backoff: dict[str, Backoff] = {}
        self.restarts: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._busy: asyncio.Task[object] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="server-keeper")

    async def stop(self) -> None:
        """Returns when no restart is under way: `Servers` is not to be used by two threads at once."""
        if self._task is not None:
            await end([self._task])
        if self._busy is not None:
            await asyncio.gather(self._busy, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            for name, code in self._servers.poll().items():
                if code is not None:
                    await self._again(name, code)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _again(self, name: str, code: int) -> None:
        backoff = self._backoff[name] = self._backoff.get(name, Backoff()).died(0.0)
        self._said(f"{name} ended with code {code}; starting it again")
        self._busy = asyncio.ensure_future(asyncio.to_thread(self._servers.restart, name))
        try:
            await asyncio.shield(self._busy)
        except ServerError as error:
            self._said(f"{error.message}; next try in {backoff.delay:g} s")
            await asyncio.sleep(backoff.delay)
        else:
            self.restarts[name] = self.restarts.get(name, 0) + 1
            self._said(f"{name} is back")
            self._backoff.pop(name)
        finally:
            if self._busy.done():
                self._busy = None
