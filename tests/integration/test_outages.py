"""NATS, MongoDB and Redis stop and go on under load: every answer is true, and all comes back without a restart."""

import asyncio
import itertools
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from cli.embedded.servers import Servers
from libs.runtime.ending import end
from libs.runtime.reader import Record, Start, read_all
from libs.schemas import subjects
from libs.schemas.account import ControlRequested
from libs.schemas.market import MarketTick
from tests.integration.serving import GENERATE, HISTORY, Running, started, whole

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PATIENCE_S = 120.0  # finds what hangs; a slow machine is not it
AWAY, UNSURE = "urn:perpetua:problem:dependency-away", "urn:perpetua:problem:may-still-happen"
TRUE_503 = {AWAY, UNSURE, "urn:perpetua:problem:keys-out-of-touch", "urn:perpetua:problem:no-answer-in-time"}


@dataclass
class Load:
    """Clients that ask without a pause, and what each was answered, by the name that it gave its wish."""

    running: Running
    ticks: dict[str, str] = field(default_factory=dict)
    controls: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _answered: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        kinds = (self.tick, self.control, self.decision, self.look)
        tasks = [asyncio.create_task(self._again(kind)) for kind in kinds for _ in range(2)]
        try:
            yield
        finally:
            await end(tasks)

    async def _again(self, ask: Callable[[str], Awaitable[None]]) -> None:
        while True:
            await ask(f"{ask.__name__}-{next(self._numbers)}")
            self._answered[ask.__name__] += 1
            await asyncio.sleep(0.01)

    async def everybody_was_answered(self) -> None:
        """Each kind once more from now on: what was asked during an outage has its answer."""
        before = dict(self._answered)
        await until(lambda: all(count > before.get(kind, 0) + 2 for kind, count in self._answered.items()))

    def _kind(self, answer: httpx.Response) -> str:
        if answer.status_code < 400:
            return "done"
        kind = str(answer.json()["type"])
        if answer.status_code != 503 or kind not in TRUE_503 or "retry-after" not in answer.headers:
            self.wrong.append(answer.text)
        return kind

    async def tick(self, name: str) -> None:
        body = {"ticks": [{"symbol": "BTCUSDT", "price": 64_000.5, "tick_id": name, "source": "load"}]}
        self.ticks[name] = self._kind(await self.running.api.post("/api/v1/market/ticks", json=body))

    async def control(self, name: str) -> None:
        body = {"state": "halted", "reason": name}
        self.controls[name] = self._kind(await self.running.api.post("/api/v1/accounts/beta/control", json=body))

    async def decision(self, name: str) -> None:
        self.decisions[name] = "asked"  # what is asked when the load ends has no answer
        self.decisions[name] = self._kind(await self.asked_for(name))

    async def asked_for(self, name: str) -> httpx.Response:
        """Repeated under the same name it is the same request."""
        wish = {"account_id": "alpha", "timeout": 3}
        return await self.running.api.post(GENERATE, json=wish, headers={"Idempotency-Key": name})

    async def look(self, name: str) -> None:
        self._kind(await self.running.api.get(f"{HISTORY}?limit=5"))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what others do is only seen by looking
            await asyncio.sleep(0.05)


async def stopped_for_a_while(servers: Servers, name: str, load: Load) -> None:
    """Until the gateway says that it is away; then until all is ready again and asks are answered."""
    gateway, part = load.running.gateway, {"nats": "keys", "mongodb": "mongodb"}.get(name)
    servers.signal(name, signal.SIGSTOP)
    try:
        if part is not None:
            await until(lambda: not gateway.checks()[part])
        else:
            await until(lambda: str(gateway.details()["rates"]).startswith("local"))
    finally:
        servers.signal(name, signal.SIGCONT)
    await until(lambda: all(gateway.checks().values()) and gateway.details()["rates"] == "shared")
    await load.everybody_was_answered()


async def in_log(running: Running, stream: str, pattern: str) -> list[bytes]:
    found: list[bytes] = []

    def take(record: Record) -> None:
        found.append(record.data)

    await read_all(running.gateway.bus, stream, [pattern], take, start=Start.all())
    return found


async def test_every_answer_is_true_while_servers_stop_and_go_on(own_servers: Servers, mongo_db_name: str) -> None:
    infos = {name: own_servers.restart(name) for name in ("nats", "mongodb", "redis")}
    more = {"redis_url": infos["redis"].url, "gateway_rate_limit": 10**9, "gateway_generate_limit": 10**9}
    async with started(infos["nats"].url, infos["mongodb"].url, mongo_db_name, **more) as running:
        await running.answer_with(whole)
        load = Load(running)
        async with load.going_on():
            await load.everybody_was_answered()
            for name in ("nats", "mongodb", "redis"):
                await stopped_for_a_while(own_servers, name, load)
        assert load.wrong == []
        await asks_that_were_not_answered_come_to_their_end(load)
        await what_was_said_of_ticks_and_controls_is_so(load)


async def asks_that_were_not_answered_come_to_their_end(load: Load) -> None:
    """Each under its Idempotency-Key; together they are as many requests as there were names."""
    for name, kind in load.decisions.items():
        if kind != "done":
            async with asyncio.timeout(PATIENCE_S):
                while (await load.asked_for(name)).status_code != 200:
                    pass
    requests = await in_log(load.running, subjects.REQUESTS.name, "decision.requested.*")
    assert len(requests) == len(load.decisions), "a repetition was another request"
    assert "done" in load.decisions.values()


async def what_was_said_of_ticks_and_controls_is_so(load: Load) -> None:
    ticks = {
        MarketTick.model_validate_json(data).tick_id
        for data in await in_log(load.running, subjects.MARKET.name, "market.tick.*")
    }
    controls = {
        ControlRequested.model_validate_json(data).reason
        for data in await in_log(load.running, subjects.AUDIT.name, "control.requested.*")
    }
    for said, there in ((load.ticks, ticks), (load.controls, controls)):
        assert {name for name, kind in said.items() if kind == "done"} <= there, "done, and not in the log"
        assert not {name for name, kind in said.items() if kind == AWAY} & there, "nothing was done, and in the log"
        assert "done" in said.values()
