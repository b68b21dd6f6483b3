"""A NATS server of one's own, without the other two servers."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import nats
import nats.js.errors
from nats.js import JetStreamContext

from cli.embedded.binaries import find
from cli.embedded.nats import KIND
from cli.embedded.ports import pick
from cli.embedded.servers import Servers
from libs.runtime.provision import consumer_config, provision_nats
from tests.integration.runtime.messages import DURABLES, begin_anew
from tests.pace import PATIENCE_S
from tests.servers import Urls


class Nats:
    """A NATS server that a test may kill."""

    def __init__(self, servers: Servers, url: str, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self.url = url

    def streams(self) -> Path:
        """Where the server keeps its streams, a folder each."""
        return self._folder / "nats" / "jetstream" / "jetstream" / "$G" / "streams"

    async def restart(self, *, away_s: float = 0, meanwhile: Callable[[], object] = lambda: None) -> None:
        """SIGKILL, and up again on the same port and data; `meanwhile` is called when it has ended."""
        self.kill()
        await asyncio.sleep(away_s)
        while self._servers.poll()["nats"] is None:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(0.01)
        meanwhile()
        await asyncio.to_thread(self._servers.restart, "nats", kill=True)

    def kill(self) -> None:
        self._servers.signal("nats", 9)


@contextlib.contextmanager
def own_nats(other: Urls) -> Iterator[Nats]:
    """A provisioned NATS server; the addresses of other servers keep theirs from being started, too."""
    folder = Path(tempfile.mkdtemp(prefix="perpetua-nats-"))
    env = {**os.environ, "NATS_URL": "", "MONGODB_URL": other.mongodb, "REDIS_URL": other.redis}
    try:
        with Servers(folder, env=env, use_path=False, users=False) as servers:
            url = servers.start()["nats"].url
            asyncio.run(_with_streams(url, provision))
            yield Nats(servers, url, folder)
            servers.signal("nats", 9)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def provision(js: JetStreamContext) -> None:
    """The product's streams and durables, and those of these tests."""
    await provision_nats(js)
    for durable in DURABLES:
        await js.add_consumer(durable.stream, consumer_config(durable))


async def clear(js: JetStreamContext) -> None:
    """No messages anywhere, durables as new, and ids that were never used."""
    begin_anew()
    await provision_nats(js)
    for name in [info.config.name for info in await js.streams_info() if info.state.messages]:
        await js.purge_stream(str(name))
    for durable in DURABLES:
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await js.delete_consumer(durable.stream, durable.name)
        try:
            await js.add_consumer(durable.stream, consumer_config(durable))
        except nats.js.errors.ServerError:  # the server was still writing the state of the one deleted
            await js.add_consumer(durable.stream, consumer_config(durable))


def cleared(url: str) -> None:
    asyncio.run(_with_streams(url, clear))


async def _with_streams(url: str, do: Callable[[JetStreamContext], Awaitable[None]]) -> None:
    connection = await nats.connect(url)
    try:
        await do(connection.jetstream(timeout=PATIENCE_S))
    finally:
        await connection.close()


class Plain:
    """A bare nats-server without JetStream, with or without a login, on one port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = pick(1)
        self._program = find(KIND, os.environ, use_path=False).binary.path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self, *login: str) -> None:
        """Start it anew, and return when it listens."""
        self.stop()
        argv = [str(self._program), "-a", "127.0.0.1", "-p", str(self.port), *login]
        with (self._folder / "plain.log").open("ab") as output:
            self._process = await asyncio.to_thread(subprocess.Popen, argv, stdout=output, stderr=subprocess.STDOUT)
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
