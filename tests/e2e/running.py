"""A pipeline as its user sees it: what the state folder says, the command, the API, the bus."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx

from libs.runtime.reader import OrderedReader, Record, Start
from tests.chaos.pipeline import Pipeline, pipeline
from tests.e2e.wire import RawPublisher

COMMAND_TIMEOUT_S = 120
API_TIMEOUT_S = 120


@dataclass(frozen=True)
class Running:
    """All workers of one run, ready; `state` is its folder."""

    pipeline: Pipeline
    state: Path

    @property
    def nats_url(self) -> str:
        return str(self._told["servers"]["nats"]["url"])

    def publisher(self) -> RawPublisher:
        return RawPublisher(self.nats_url)

    def api(self, key: str | None = None) -> httpx.AsyncClient:
        """A client with the key that lies in the state folder, with another one, or with none ("")."""
        token = (self.state / "api_key").read_text().strip() if key is None else key
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=str(self._told["gateway_url"]), headers=headers, timeout=API_TIMEOUT_S)

    async def perpetua(self, *arguments: str) -> str:
        """What the command prints about this run."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "cli.main", *arguments, "--state-dir", str(self.state)],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    async def stored(self, stream: str, *filters: str) -> list[Record]:
        """Everything that the stream holds by now."""
        async with self.following(stream, *filters, start=Start.all()) as found:
            return found

    @contextlib.asynccontextmanager
    async def following(self, stream: str, *filters: str, start: Start | None = None) -> AsyncIterator[list[Record]]:
        """A list that grows as messages are stored."""
        found: list[Record] = []
        reader = OrderedReader(self.pipeline.bus, stream, filters, found.append, start=start or Start.new())
        await reader.start()
        try:
            await reader.caught_up()
            yield found
        finally:
            await reader.stop()

    async def metric(self, worker: str, name: str, **labels: str) -> float:
        """A figure that the first copy of a worker shows on its operations port; 0 where it has none yet."""
        (first, *_) = self.pipeline.workers(worker)
        page = await asyncio.to_thread(
            lambda: urlopen(f"http://127.0.0.1:{first.port}/metrics", timeout=COMMAND_TIMEOUT_S).read()
        )
        shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
        wanted = f"{name}{{{shown}}}" if shown else name
        lines = [line.rpartition(" ") for line in page.decode().splitlines()]
        return sum(float(value) for key, _, value in lines if key == wanted)

    def pids(self) -> dict[str, int]:
        return {w.instance: w.child.pid for w in self.pipeline.run.supervisor.workers if w.child}

    def rss_mib(self) -> dict[str, float]:
        return {w.instance: (w.rss_bytes() or 0) / 2**20 for w in self.pipeline.run.supervisor.workers}

    @property
    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.state / "run.json").read_text())
        return told


@contextlib.asynccontextmanager
async def running(
    state: Path, *, feed: str = "synthetic", replicas: str = "", more: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    async with pipeline(state, feed=feed, replicas=replicas, more=more) as made:
        yield Running(made, state)
