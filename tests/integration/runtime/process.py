"""A worker as a process of its own: its log, its exit code, signals to it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PACKAGE = "tests.integration.runtime.workers"


class Process:
    """`python -m <PACKAGE>.<module>` with these variables added to the environment."""

    def __init__(self, module: str, log: Path, env: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{PACKAGE}.{module}"],
                cwd=ROOT,
                env={**os.environ, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    @property
    def records(self) -> list[dict[str, Any]]:
        """What it logged; lines that are no JSON are left out."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{") and line.endswith("}")]

    async def said(self, text: str) -> dict[str, Any]:
        """The first log record whose message holds `text`; fails when the process ends before.

        A process may take long to start on a busy machine: the test's own limit finds one that hangs.
        """
        while True:
            ended = self._process.poll() is not None
            for record in self.records:
                if text in record["msg"]:
                    return record
            assert not ended, f"ended with {self._process.returncode} without saying {text!r}: {self.output}"
            await asyncio.sleep(0.02)

    async def ready(self) -> int:
        """The port of its operations server, once it pulls."""
        await self.said("is ready")
        return int((await self.said("listening"))["port"])

    async def ended(self) -> int:
        """Its exit code; negative when a signal ended it."""
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(0.02)
        return code

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
