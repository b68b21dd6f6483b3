"""An upgrade under load: every worker is ended in order and started anew, copy after copy, while others go on.

The short form rolls all kinds side by side, as `kubectl apply` does; the long one kind after kind, in the order that
docs/operations.md names.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cli.project import CONFIG
from libs.runtime.ending import end, together
from libs.schemas.ids import told_event_id
from tests.chaos.invariants import Log, every_promise_holds, read_log
from tests.chaos.pipeline import Pipeline, pipeline
from tests.fakes.receiver import SECRET, Receiver, receiver
from tests.forms import sized

ORDER = ("ledger", "executor", "validator", "decider", "context", "notifier", "gateway", "feed")
TWICE = ("context", "decider", "validator", "executor", "ledger", "notifier")
ROUTES = "routes: {{desk: {{webhook: '{url}', key: '${{DESK_KEY}}', kinds: [alerts, position.closed]}}}}"
ACCOUNT = "scalping"
ANSWER_S = 120


@dataclass
class Asker:
    """A program that asks for decisions, each under a key of its own, and asks again where it was not answered."""

    url: str
    token: str
    answered: dict[str, str] = field(default_factory=dict)
    repeated: int = 0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        async with httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=ANSWER_S
        ) as api:
            finish = asyncio.Event()
            task = asyncio.create_task(self._ask(api, finish))
            try:
                yield
                finish.set()
                await task
            finally:
                await end([task])

    async def _ask(self, api: httpx.AsyncClient, finish: asyncio.Event) -> None:
        for number in itertools.count():
            if finish.is_set():
                return
            name = f"rolling-{number}"
            while name not in self.answered:
                await self._once(api, name)

    async def _once(self, api: httpx.AsyncClient, name: str) -> None:
        wish, headers = {"account_id": ACCOUNT, "dry_run": True}, {"Idempotency-Key": name}
        try:
            answer = await api.post("/api/v1/decisions/generate", json=wish, headers=headers)
        except httpx.TransportError:
            self.repeated += 1
            await asyncio.sleep(0.1)
            return
        if answer.status_code == 503:
            self.repeated += 1
            return
        assert answer.status_code == 200, answer.text
        self.answered[name] = answer.json()["request_id"]


async def roll(run: Pipeline, names: Sequence[str]) -> None:
    """Of each kind one copy after the other, so that with two of them one is ready at any time."""
    for name in names:
        for worker in run.workers(name):
            await run.renew(worker)


def check_answers(asker: Asker, log: Log) -> None:
    asked = Counter(asker.answered.values())
    assert asked and max(asked.values()) == 1, "two names are one request"
    assert asked.keys() <= {m["request_id"] for m in log.of("decision.requested")}


async def check_notices(run: Pipeline, desk: Receiver, log: Log) -> None:
    """What was raised and what was closed is told, each once."""
    closed = {told_event_id("position.closed", m["event_id"]) for m in log.of("position.closed")}
    assert desk.times, "a run in which nobody is told anything shows nothing of notices"
    assert closed <= desk.times.keys()
    assert set(desk.times.values()) == {1}, "told twice, and nobody was killed"


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_rolling_restart_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    (folder := tmp_path / "config").mkdir()
    (folder / "models.yaml").write_bytes((CONFIG / "models.yaml").read_bytes())
    async with receiver() as desk:
        (folder / "notifications.yaml").write_text(ROUTES.format(url=desk.url))
        more = {"PERPETUA_CONFIG_DIR": str(folder), "PERPETUA_NOTIFY_DESK_KEY": SECRET}
        replicas = ",".join(f"{name}=2" for name in TWICE)
        async with pipeline(tmp_path / "state", replicas=replicas, more=more) as run:
            told = json.loads((tmp_path / "state" / "run.json").read_text())
            asker = Asker(told["gateway_url"], (tmp_path / "state" / "api_key").read_text().strip())
            async with asker.asking():
                await run.progress(5)
                rolls: list[tuple[str, ...]] = sized([(name,) for name in ORDER], [ORDER])
                await together(*(roll(run, names) for names in rolls))
                await run.progress(5)
            assert {
                worker.instance: worker.restarts for worker in run.run.supervisor.workers if worker.restarts != 1
            } == {}
            await run.quiet()
            await every_promise_holds(run)
            log = await read_log(run.bus)
            check_answers(asker, log)
            await check_notices(run, desk, log)
            assert log.of("order.placed") and log.of("order.filled"), "a run without orders shows nothing"
            assert not [kind for kind in log.messages if kind.startswith("dead.")]
            print(f"\n{len(asker.answered)} answers, {asker.repeated} asked again; {len(desk.got)} notices")
