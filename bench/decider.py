"""The decider beside the model: own time per decision, decisions a second with a slow model, tokens per prompt.

Everything is real but the model: NATS, Redis, LiteLLM over HTTP to a scripted server that runs in a process of its own.
`decider_late` is the promise: 500 accounts, whose intervals close in the same 3 s of each minute, and a model of 2 s.
"""

import asyncio
import importlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any

import nats
import orjson
from nats.js import JetStreamContext

from cli.embedded.servers import Servers
from libs.configuration.templates import JinjaTemplates
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.context import TradingContext
from services.decider.application import models_file
from services.decider.domain.prompt import Form, build, template_variables
from services.decider.settings import CONFIG
from tests.fakes.decider_contexts import asset, context
from tests.fakes.model_server import Answer, model_server
from tests.integration.deciding import GPT, KEY, SYMBOLS, decision

ROOT = Path(__file__).parents[1]
MODEL_S = 2.0
OWN_RUNS = 300
ACCOUNTS, SPREAD_S, MINUTES = 500, 3.0, 2
WORKERS, IN_FLIGHT = 2, 128
LATE_S = 10.0
ASSETS = (1, 3, 5, 10)
MORE = ("ADAUSDT", "AVAXUSDT", "DOGEUSDT", "LINKUSDT", "LTCUSDT")


def _serve(pipe: Connection) -> None:
    """The model's process: it answers alike, after as many seconds as the parent says."""

    async def run() -> None:
        async with model_server() as server:
            pipe.send(server.url)
            loop = asyncio.get_running_loop()
            while (seconds := await loop.run_in_executor(None, pipe.recv)) is not None:
                server.script.clear()
                server.then(*[Answer(decision(), cost=0.001, delay_s=seconds)] * 20_000)
                pipe.send(True)

    asyncio.run(run())


@contextmanager
def _model() -> Iterator[Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send(None)
        process.join(5)


@asynccontextmanager
async def _deciders(
    count: int, in_flight: int, urls: Mapping[str, str], api: str
) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PERPETUA_", "LLM_", "OPENROUTER_"))}
    env = kept | {
        "NATS_URL": urls["nats"], "REDIS_URL": urls["redis"], "OPENROUTER_API_BASE": api, "OPENROUTER_API_KEY": KEY,
        "LLM_MODEL": GPT, "PERPETUA_DECIDER_CONCURRENCY": str(in_flight), "PERPETUA_LOG_LEVEL": "ERROR",
        "PERPETUA_BREAKER_PATIENCE_S": "3", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = (sys.executable, "-m", "services.decider.app")
    made = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.terminate()
        await asyncio.gather(*(one.wait() for one in made))


class Proposals:
    """Proposals as they are stored: (server time, body) by context."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._next = 1
        self.found: dict[str, tuple[datetime, Mapping[str, Any]]] = {}

    async def until(self, count: int, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while len(self.found) < count:
                last = (await self._js.stream_info("DECISIONS")).state.last_seq
                for sequence in range(self._next, last + 1):
                    message = await self._js.get_msg("DECISIONS", sequence)
                    body = orjson.loads(message.data or b"")
                    self.found[body["context_id"].removeprefix("ctx-")] = message.time or datetime.now(UTC), body
                self._next = last + 1
                await asyncio.sleep(0.1)


def _made(name: str, account: str) -> TradingContext:
    now = datetime.now(UTC)
    made = context(name=name, timestamp=now, expires_at=now + timedelta(seconds=100))
    return made.model_copy(update={"account_id": account})


async def _publish(js: JetStreamContext, made: TradingContext) -> datetime:
    await js.publish(subjects.context_built(made.account_id), made.model_dump_json().encode())
    return datetime.now(UTC)


async def _own(js: JetStreamContext, proposals: Proposals) -> list[float]:
    """Milliseconds of our own work, one decision after the other; the first ones warm up."""
    before = len(proposals.found)
    for n in range(OWN_RUNS + 20):
        await _publish(js, _made(f"own{n}", f"own{n % 50}"))
        await asyncio.sleep(0.03)
    await proposals.until(before + OWN_RUNS + 20, 120)
    return [proposals.found[f"own{n}"][1]["timing"]["engine"] for n in range(20, OWN_RUNS + 20)]


async def _rate(js: JetStreamContext, proposals: Proposals, in_flight: int) -> float:
    """Decisions a second of one worker that never waits for work."""
    count, before = in_flight * 6, len(proposals.found)
    for n in range(count):
        await _publish(js, _made(f"rate{n}", f"rate{n}"))
    await proposals.until(before + count, 300)
    ends = sorted(proposals.found[f"rate{n}"][0] for n in range(count))
    return (count - in_flight) / (ends[-1] - ends[in_flight - 1]).total_seconds()


async def _late(js: JetStreamContext, proposals: Proposals) -> tuple[list[float], int]:
    """Seconds from each trigger to its proposal, and how many were no proposals."""
    begun: dict[str, datetime] = {}
    loop, before = asyncio.get_running_loop(), len(proposals.found)
    for minute in range(MINUTES):
        start = loop.time()
        for n in range(ACCOUNTS):
            await asyncio.sleep(max(0.0, start + n * SPREAD_S / ACCOUNTS - loop.time()))
            begun[f"late{minute}-{n}"] = await _publish(js, _made(f"late{minute}-{n}", f"acc{n}"))
        await proposals.until(before + len(begun), 100)
        if minute + 1 < MINUTES:
            await asyncio.sleep(max(0.0, start + 60 - loop.time()))
    took = [(proposals.found[name][0] - at).total_seconds() for name, at in begun.items()]
    return took, sum(proposals.found[name][1]["status"] != "proposed" for name in begun)


async def _ready(js: JetStreamContext, proposals: Proposals, name: str) -> None:
    before = len(proposals.found)
    await _publish(js, _made(name, "warm"))
    await proposals.until(before + 1, 90)


def _answer_after(pipe: Connection, seconds: float) -> None:
    pipe.send(seconds)
    pipe.recv()


async def _measure(urls: Mapping[str, str], pipe: Connection) -> list[dict[str, Any]]:
    connection = await nats.connect(urls["nats"])
    js = connection.jetstream()
    await provision_nats(js)
    api, proposals, rows = pipe.recv(), Proposals(js), []
    _answer_after(pipe, 0.0)
    async with _deciders(1, 64, urls, api):
        await _ready(js, proposals, "ready-1")
        own = await _own(js, proposals)
        for percent, goal in ((50, 5.0), (99, 20.0)):
            value = quantiles(own, n=100, method="inclusive")[percent - 1]
            rows.append(
                _row(f"decider_own_p{percent}", value, "ms", goal, f"{len(own)} decisions of 5 assets, in turn")
            )
        _answer_after(pipe, MODEL_S)
        rate = await _rate(js, proposals, 64)
        rows.append(
            _row("decider_per_worker", rate, "1/s", None, f"64 in flight, a model of {MODEL_S:g} s: 32 at most")
        )
    async with _deciders(WORKERS, IN_FLIGHT, urls, api):
        await _ready(js, proposals, "ready-2")
        took, failed = await _late(js, proposals)
        late = sum(seconds > LATE_S for seconds in took)
        told = f"{ACCOUNTS} accounts in {SPREAD_S:g} s, {MINUTES} times; longest {max(took):.1f} s, {failed} abstained"
        rows.append(_row("decider_late", late + failed, "decisions", 0, told))
    await connection.close()
    return rows


def _tokens() -> list[dict[str, Any]]:
    """Tokens of the whole prompt, as LiteLLM counts them for the model."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm: Any = importlib.import_module("litellm")
    entry, rows = models_file.load(CONFIG).entries[GPT], []
    one = asset(SYMBOLS[0])
    for count in ASSETS:
        made = context({name: one.model_copy(update={"symbol": name}) for name in (*SYMBOLS, *MORE)[:count]})
        page = JinjaTemplates().page(made.account_state.active_strategy.prompt_template, template_variables(made))
        prompt = build(made, page.text, Form(with_schema=entry.structured != "json_schema"), page.view)
        found = litellm.token_counter(model="gpt-4o", messages=[dict(message) for message in prompt.messages])
        rows.append(_row(f"tokens_{count}", found, "tokens", None, f"{count} assets, {prompt.version}"))
    return rows


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder, _model() as pipe:
        servers = Servers(Path(folder), use_urls=False, users=False)
        try:
            urls = {name: info.url for name, info in servers.start().items()}
            return [*asyncio.run(_measure(urls, pipe)), *_tokens()]
        finally:
            servers.stop()


def _row(name: str, value: float, unit: str, goal: float | None, reference: str) -> dict[str, Any]:
    met = None if goal is None else value <= goal
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": met, "reference": reference}
