"""A real nats-server on the very file that containers use, provisioned by its administrator."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.js.api import StreamInfo

from cli.embedded.binaries import find
from cli.embedded.bus_users import password_variable
from cli.embedded.nats import KIND
from cli.embedded.ports import pick
from libs.runtime.provision import provision_nats
from libs.schemas.rights import ADMIN, BY_NAME
from tests.pace import PATIENCE_S
from tools.paths import ROOT

CONFIG = ROOT / "deploy" / "nats" / "nats.conf"
PASSWORDS = {name: f"password-of-{name}" for name in BY_NAME}


END = "the.end"  # nobody may publish to it


class Refusals:
    """The subjects of what the server refused a connection, in small letters as the client says them."""

    def __init__(self) -> None:
        self.connection: Client | None = None
        self._subjects: list[str] = []
        self._ended = asyncio.Event()

    async def hear(self, error: Exception) -> None:
        _, _, quoted = str(error).partition("permissions violation for ")
        subject = quoted.rpartition(" to ")[2].strip('"').replace("bus.api.", "$js.api.")  # named as it was asked for
        self._subjects.append(subject)
        if subject == END:
            self._ended.set()

    async def all(self) -> list[str]:
        """Of everything that was sent before. Trap: a flush of nats-py overtakes what it has not written yet."""
        assert self.connection is not None
        await self.connection.publish(END)
        await asyncio.wait_for(self._ended.wait(), 10)
        return [subject for subject in self._subjects if subject != END]


class RightsServer:
    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, user: str, password: str | None = None) -> str:
        return f"nats://{user}:{password or PASSWORDS[user]}@127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def client(self, user: str) -> AsyncIterator[tuple[Client, Refusals]]:
        refused = Refusals()
        connection = await nats.connect(self.url(user), inbox_prefix=f"_INBOX_{user}", error_cb=refused.hear)
        refused.connection = connection
        try:
            yield connection, refused
        finally:
            await connection.close()

    async def messages(self) -> Mapping[str, int]:
        """How many messages each stream holds."""
        return {str(one.config.name): one.state.messages for one in await self.streams()}

    async def streams(self) -> Sequence[StreamInfo]:
        async with self.client(ADMIN) as (connection, _):
            return await connection.jetstream().streams_info()

    async def provision(self) -> None:
        """Raises what the server said last where it does not come to it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with self.client(ADMIN) as (connection, _):
                    await provision_nats(connection.jetstream())
                return
            except (OSError, nats.errors.Error):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def rights_server(folder: Path) -> Iterator[RightsServer]:
    port, monitor = pick(2)
    program = find(KIND, os.environ, use_path=False).binary.path
    argv = [str(program), "-c", str(CONFIG), "-a", "127.0.0.1", "-p", str(port), "-m", str(monitor)]
    variables = {password_variable(user): password for user, password in PASSWORDS.items()}
    env = {**os.environ, **variables, "NATS_SERVER_NAME": "rights", "NATS_STORE_DIR": str(folder / "store")}
    with (folder / "nats.log").open("wb") as output:
        process = subprocess.Popen(argv, env=env, stdout=output, stderr=output)
    try:
        server = RightsServer(port)
        asyncio.run(server.provision())
        yield server
    finally:
        process.kill()
        process.wait()
