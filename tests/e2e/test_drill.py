"""The drill: conditions provoked for real in a run that trades, each seen by its alert and by the first command of its
runbook, and over again when it is mended. That of a dead letter is in tests/e2e/trading/test_watching.py."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from cli.project import CONFIG
from tests.boards import BOARDS, find_data, questions
from tests.chaos.pipeline import pipeline
from tests.e2e.running import COMMAND_TIMEOUT_S, Running
from tests.fakes.model_server import Answer, ModelServer, Status, model_server
from tests.fakes.receiver import SECRET, receiver
from tests.integration.decider_process import OWN_MODEL
from tests.integration.deciding import decision
from tests.pace import PATIENCE_S
from tests.prometheus import Prometheus, prometheus, shortened, until
from tools.runbooks import PAGES, RULES

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.asyncio(loop_scope="module"),
]
SPEED = 20  # on a slow machine contexts of a faster market are too old when they are decided on
LONG_S = 5 * PATIENCE_S  # an age of a minute, looked up every 15 s
SCRIPTED = OWN_MODEL.partition("/")[2]
ROUTES = "routes: {{desk: {{webhook: '{url}', key: '${{DESK_KEY}}'}}}}"
DOWN = Status(500, "out of order, for a drill")


@dataclass(frozen=True)
class Drill:
    run: Running
    watch: Prometheus
    models: ModelServer

    async def is_seen(self, alert: str, cause: Callable[[str], Any]) -> None:
        """The alert fires, and the first commands of its page come to say why."""
        await until(lambda: alert in self.watch.firing(), lambda: f"{alert} does not fire", LONG_S)
        commands = first_commands(alert)
        said = ""

        def told() -> bool:
            nonlocal said
            said = "".join(self._said(command) for command in commands)
            return bool(cause(said))

        await until(told, lambda: f"{commands} do not show the cause of {alert}:\n{said}")

    async def is_over(self, alert: str) -> None:
        await until(lambda: alert not in self.watch.firing(), lambda: f"{alert} does not end", LONG_S)

    def _said(self, command: list[str]) -> str:
        """What a command prints, whatever it thinks of it: `status` ends with 1 where something is not well."""
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *command, "--state-dir", str(self.run.state)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return done.stdout


def first_commands(alert: str) -> list[list[str]]:
    """Those of ours that name nothing which only the reader knows."""
    block = (PAGES / f"{alert}.md").read_text().split("```")[1]
    commands = [line.split() for line in re.findall(r"^perpetua ([^A-Z\n]*)$", block, re.MULTILINE)]
    assert commands, f"no first command of {alert} can be run as it stands"
    return commands


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def drill(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Drill]:
    """The paper venue refuses what protects or closes a position; the provider of the first model is down."""
    folder, state = tmp_path_factory.mktemp("config"), tmp_path_factory.mktemp("drill") / "state"
    (folder / "models.yaml").write_bytes((CONFIG / "models.yaml").read_bytes())
    async with model_server() as models, receiver() as desk:
        models.by_model[SCRIPTED] = DOWN
        (folder / "notifications.yaml").write_text(ROUTES.format(url=desk.url))
        more = {
            "PERPETUA_CONFIG_DIR": str(folder),
            "PERPETUA_NOTIFY_DESK_KEY": SECRET,
            "LLM_MODEL": f"{OWN_MODEL},builtin/trend",
            "LLM_BASE_URL": models.url,
            "PERPETUA_BREAKER_OPEN_S": "2",
            "PERPETUA_BREAKER_LONGEST_S": "5",
            "PERPETUA_PAPER_REFUSES": '["stop", "flatten"]',
        }
        async with pipeline(state, speed=SPEED, more=more) as made:
            run = Running(made, state)
            with _watching(run, tmp_path_factory) as watch:
                yield Drill(run, watch, models)


def _watching(run: Running, folders: pytest.TempPathFactory) -> Any:
    ports = {worker.name: [worker.port] for worker in run.pipeline.run.supervisor.workers}
    return prometheus(folders.mktemp("prometheus"), ports, shortened(RULES.read_text()))


async def test_what_the_notifier_does_is_shown(drill: Drill) -> None:
    told = {query for board in BOARDS for query in questions(board) if "perpetua_notifier_" in query}
    assert told
    await find_data(drill.watch, told)


async def test_a_position_without_protection(drill: Drill) -> None:
    """The built-in model decides, and enters."""
    await drill.is_seen("PositionUnprotected", lambda said: "USDT" in said)
    (executor,) = drill.run.pipeline.workers("executor")
    wrong = executor.env
    executor.env = lambda port: {**wrong(port), "PERPETUA_PAPER_REFUSES": "[]"}
    await drill.run.pipeline.renew(executor)
    await drill.is_over("PositionUnprotected")


async def test_a_model_provider_that_is_down(drill: Drill) -> None:
    await drill.is_seen("ModelProviderDown", lambda said: f"the breaker of model {OWN_MODEL} is open" in said)
    drill.models.by_model[SCRIPTED] = Answer(decision())
    await drill.is_over("ModelProviderDown")


async def test_a_frozen_worker(drill: Drill) -> None:
    with _stopped(drill.run.pids()["validator-1"]):
        await drill.is_seen("WorkerDown", lambda said: _line(said, "validator-1") and "unready" in said)
        (down,) = drill.watch.series("up == 0")
        assert down["metric"]["job"] == "validator"
    await drill.is_over("WorkerDown")


async def test_messages_that_wait(drill: Drill) -> None:
    """The history cannot be written: MongoDB does not answer."""
    drill.run.pipeline.servers.signal("mongodb", signal.SIGSTOP)
    try:
        await drill.is_seen("MessagesWait", lambda said: "mongodb" in _line(said, "ledger-1"))
    finally:
        drill.run.pipeline.servers.signal("mongodb", signal.SIGCONT)
    await drill.is_over("MessagesWait")
    await drill.run.pipeline.progress(1)


@contextlib.contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _line(said: str, word: str) -> str:
    return next((line for line in said.splitlines() if word in line), "")
