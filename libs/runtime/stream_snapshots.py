"""A stream as a file and back, by JetStream's own snapshots: messages with their sequences, times and headers, and how
far each durable is. Spoken with the server as `nats stream backup` does; nats-py has no call for it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.runtime.errors import Unavailable

CHUNK = 128 * 1024
STILL_S = 60.0  # without a part or an answer it is given up
OK = "204"
Told = dict[str, Any]


class StreamSnapshots:
    """As the user `keeper`, the only one whom the server takes parts from (docs/decisions/0068)."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def names(self) -> list[str]:
        return list((await self._asked("STREAM.NAMES", {})).get("streams") or ())

    async def state(self, stream: str) -> Told:
        told: Told = (await self._asked(f"STREAM.INFO.{stream}", {}))["state"]
        return told

    async def save(self, stream: str, output: BinaryIO) -> Told:
        """Write a stream; returns its `config` and `state`. Raises Unavailable."""
        inbox = self._nc.new_inbox()
        parts: asyncio.Queue[Msg] = asyncio.Queue()
        heard = await self._nc.subscribe(inbox, cb=parts.put)
        try:
            wish = {"deliver_subject": inbox, "no_consumers": False, "chunk_size": CHUNK}
            told = await self._asked(f"STREAM.SNAPSHOT.{stream}", wish)
            await self._take(stream, parts, output)
        finally:
            await heard.unsubscribe()
        return {"config": told["config"], "state": told["state"]}

    async def _take(self, stream: str, parts: "asyncio.Queue[Msg]", output: BinaryIO) -> None:
        """A part is acknowledged when it is written: the server sends only so many more."""
        while True:
            async with asyncio.timeout(STILL_S):
                part = await parts.get()
            if not part.data:
                said = (part.headers or {}).get("Status", OK)
                if said != OK:
                    raise Unavailable(f"the stream {stream} cannot be read: {said}")
                return
            await asyncio.to_thread(output.write, part.data)
            if part.reply:
                await self._nc.publish(part.reply, b"")

    async def load(self, stream: str, told: Mapping[str, Any], file: Path, *, replicas: int = 1) -> None:
        """Make the stream, which may not be there yet, of what `save` wrote and told. Raises Unavailable."""
        config = {**told["config"], "num_replicas": replicas}
        if replicas > 1:
            config.pop("persist_mode", None)  # of a single server alone
        answer = await self._asked(f"STREAM.RESTORE.{stream}", {"config": config, "state": told["state"]})
        with file.open("rb") as parts:
            while part := await asyncio.to_thread(parts.read, CHUNK):
                self._checked(stream, (await self._sent(answer["deliver_subject"], part)).data)
        self._checked(stream, (await self._sent(answer["deliver_subject"], b"")).data)

    async def _asked(self, call: str, wish: Mapping[str, Any]) -> Told:
        answer = await self._sent(f"$JS.API.{call}", json.dumps(wish).encode())
        return self._checked(call.rpartition(".")[2], answer.data)

    async def _sent(self, subject: str, body: bytes) -> Msg:
        return await self._nc.request(subject, body, timeout=STILL_S)

    @staticmethod
    def _checked(what: str, data: bytes) -> Told:
        told: Told = json.loads(data or b"{}")
        if error := told.get("error"):
            raise Unavailable(f"NATS refuses {what}: {error.get('description')}")
        return told
