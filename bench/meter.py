"""What processes and servers have used so far: processor time, MongoDB's operations, messages through NATS."""

import asyncio
import json
import os
import re
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.servers import ServerInfo
from cli.run.session import RunSession
from libs.runtime.mongo import client

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
OPERATIONS = ("insert", "query", "update", "delete", "getmore")


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor milliseconds by process, operations of MongoDB by kind, messages in and out of nats-server."""

    processor: Mapping[str, float]
    operations: Mapping[str, int]
    messages: int

    def since(self, before: "Usage") -> "Usage":
        processor = {name: used - before.processor.get(name, 0.0) for name, used in self.processor.items()}
        operations = {name: count - before.operations.get(name, 0) for name, count in self.operations.items()}
        return Usage(processor, operations, self.messages - before.messages)


class Meter:
    """Of a run and its embedded servers in `folder`."""

    def __init__(self, run: RunSession, infos: Mapping[str, ServerInfo], folder: Path) -> None:
        self._run = run
        self._infos = infos
        (found,) = {
            found for path in folder.rglob("nats.conf") for found in re.findall(r'http: "(.*)"', path.read_text())
        }
        self._monitor = f"http://{found}/varz"

    async def read(self) -> Usage:
        return Usage(self._processor(), await self._operations(), await asyncio.to_thread(self._messages))

    def _processor(self) -> dict[str, float]:
        used: defaultdict[str, float] = defaultdict(float)
        for worker in self._run.supervisor.workers:
            if worker.child is not None:
                used[worker.name] += _milliseconds(worker.child.pid)
        for name, info in self._infos.items():
            if info.pid is not None:
                used[name] += _milliseconds(info.pid)
        return dict(used)

    async def _operations(self) -> dict[str, int]:
        mongo = client(self._infos["mongodb"].url)
        try:
            status = await mongo.admin.command("serverStatus")
        finally:
            await mongo.close()
        return {name: int(status["opcounters"][name]) for name in OPERATIONS}

    def _messages(self) -> int:
        with urllib.request.urlopen(self._monitor, timeout=10) as answer:  # noqa: S310 - our own server
            said = json.load(answer)
        return int(said["in_msgs"]) + int(said["out_msgs"])


def _milliseconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S * 1e3
