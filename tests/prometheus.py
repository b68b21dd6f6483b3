"""Prometheus of the distribution's package: on PATH, or unpacked into `.tools/` without root."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from cli.embedded.libraries import Apt
from cli.project import FETCHED
from tests.pace import PATIENCE_S
from tests.wanted import want

LOOK_S = 0.2
HANGS_S = 900  # beside forty others a second of promtool took two minutes
FASTER = 30  # how many times shorter the waits and windows of rules are in a drill


def program(name: str) -> str:
    """`prometheus` or `promtool`. Fetched once; the test is skipped by name where it cannot be had."""
    there = shutil.which(name) or FETCHED / "prometheus/usr/bin" / name
    if not Path(there).is_file():
        _fetch(FETCHED / "prometheus")
    want("prometheus", Path(there).is_file(), "neither on PATH nor to be had by apt-get download")
    return str(there)


def _fetch(folder: Path) -> None:
    """`folder` appears whole or not at all, also where two processes fetch at once."""
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="prometheus.") as scratch:
        unpacked = Path(scratch) / "unpacked"
        if Apt(Path(scratch), {}).unpack(["prometheus"], unpacked):
            with contextlib.suppress(OSError):  # the other one was first
                unpacked.rename(folder)


def promtool(*arguments: str) -> str:
    """What it prints. It must be content."""
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=HANGS_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Prometheus:
    url: str

    def ask(self, path: str, **query: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=PATIENCE_S) as answer:
            return json.load(answer)["data"]

    def series(self, expression: str) -> list[Mapping[str, Any]]:
        """What an expression gives now."""
        found: list[Mapping[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}


@contextlib.contextmanager
def prometheus(folder: Path, targets: Mapping[str, Sequence[int]], rules: str = "groups: []\n") -> Iterator[Prometheus]:
    """Scrapes these ports by job each second, and judges `rules`."""
    port = _free_port()
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        for job, ports in targets.items()
    ]
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": every, "rule_files": [str(folder / "rules.yaml")], "scrape_configs": jobs}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(rules)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    arguments = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    ]
    with (
        (folder / "log").open("w") as told,
        subprocess.Popen([program("prometheus"), *arguments], stderr=told) as child,
    ):
        try:
            yield _ready(Prometheus(f"http://127.0.0.1:{port}"), child, folder / "log")
        finally:
            child.terminate()


async def until(done: Callable[[], Any], what: Callable[[], str], patience: float = PATIENCE_S) -> Any:
    """What `done` gives as soon as it gives something. Another process is asked, so it is asked again and again."""
    deadline = time.monotonic() + patience
    while not (given := await asyncio.to_thread(done)):
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(LOOK_S)
    return given


def shortened(rules: str, times: int = FASTER) -> str:
    """The rules with each wait and each window so many times shorter, of 4 s at least."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match["count"]) * {"s": 1, "m": 60, "h": 3600}[match["unit"]]
        return f"{match['before']}{max(4, seconds // times) if seconds else 0}s"

    return re.sub(r"(?P<before>for: |\[)(?P<count>\d+)(?P<unit>[smh])", shorter, rules)


def _ready(made: Prometheus, child: "subprocess.Popen[bytes]", told: Path) -> Prometheus:
    while child.poll() is None:
        try:
            with urlopen(f"{made.url}/-/ready", timeout=PATIENCE_S):
                return made
        except (URLError, OSError):
            time.sleep(LOOK_S)
    raise AssertionError(f"prometheus ended: {told.read_text()}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
