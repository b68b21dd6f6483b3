"""The gateway over HTTP on real servers: requests a second of what is called most, and what a cached answer costs.

One gateway, one ledger, NATS and MongoDB of their own on this machine, and clients in this very process: they take
their part of the same cores. `generate` is answered by a program on the bus that sends what the workers would have sent
for the built-in model, so that the figure is the gateway's own. The history holds 20 000 decisions.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import mean, median
from typing import Any

import httpx
from fastapi import FastAPI

from libs.records.collections import DECISIONS
from libs.runtime.server import HttpServer
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.names import key_of
from libs.schemas.verdict import DecisionAnswered
from tests import builders
from tests.fakes.ledger_chain import Chain
from tests.integration.serving import Running, served, started, whole
from tests.servers import private_servers

NAMES = ("api_generate", "api_history", "api_state", "api_cached_p99")
CLIENTS, SECONDS, ROWS = 16, 5.0, 20_000
CACHED_GOAL_MS = 25.0
API = "/api/v1"


def run() -> list[dict[str, Any]]:
    return asyncio.run(_measured())


async def _measured() -> list[dict[str, Any]]:
    with private_servers() as servers:
        infos = await asyncio.to_thread(servers.start)
        limits = {"gateway_rate_limit": 10**9, "gateway_generate_limit": 10**9, "redis_url": infos["redis"].url}
        async with started(infos["nats"].url, infos["mongodb"].url, "bench", **limits) as running:
            await _filled(running)
            async with _over_http(served(running.gateway), running.admin) as client:
                return [row async for row in _rows(running, client)]


@asynccontextmanager
async def _over_http(app: Any, token: str) -> AsyncIterator[httpx.AsyncClient]:
    server = HttpServer(app, "127.0.0.1", 0)
    await server.begin()
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=CLIENTS)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits) as client:
            yield client
    finally:
        await server.end()


async def _rows(running: Running, client: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    answers: dict[str, str] = {}
    await running.answer_with(_earlier(answers))

    async def generate() -> httpx.Response:
        return await client.post(f"{API}/decisions/generate", json={"account_id": "alpha"}, timeout=60)

    async def history() -> httpx.Response:
        return await client.get(f"{API}/decisions/history?account_id=beta&status=hold&limit=50")

    async def state() -> httpx.Response:
        return await client.get(f"{API}/accounts/beta/state")

    bare = await _bare()

    def beside(rate: float, what: str) -> str:
        return f"{what}; a bare FastAPI route in the same run {bare:.0f} req/s ({rate / bare:.0%})"

    for name, ask, what in (
        ("api_generate", generate, "POST /decisions/generate, waited for"),
        ("api_history", history, "50 entries, account and status"),
        ("api_state", state, "the state of an account"),
    ):
        rate = await _rate(ask)
        yield _row(name, rate, "req/s", beside(rate, what))
    cached, beside_it = await _cached(running, client, answers)
    whole, bare_ms = cached.milliseconds, beside_it.milliseconds
    told = (
        f"another decision answers; p50 {median(whole):.1f}; a bare route in between p50 {median(bare_ms):.1f}, p99 "
        f"{_p99(bare_ms):.1f} ms; of the processor {mean(cached.processor_ms):.1f} ms, bare "
        f"{mean(beside_it.processor_ms):.1f} ms a request, clients and ledger included"
    )
    yield _row("api_cached_p99", _p99(whole), "ms", told, CACHED_GOAL_MS)


def _bare_app() -> FastAPI:
    app = FastAPI()

    @app.get("/bare")
    async def bare() -> dict[str, str]:
        return {"account_id": "beta"}

    return app


async def _bare() -> float:
    """Answers a second of a route that does nothing, by the same server and the same clients."""
    async with _over_http(_bare_app(), "none") as client:
        return await _rate(lambda: client.get("/bare"))


async def _rate(ask: Callable[[], Awaitable[httpx.Response]]) -> float:
    """Answers a second while so many clients ask without a pause."""
    answered, until = 0, time.monotonic() + SECONDS

    async def again() -> None:
        nonlocal answered
        while time.monotonic() < until:
            (await ask()).raise_for_status()
            answered += 1

    began = time.monotonic()
    await asyncio.gather(*(again() for _ in range(CLIENTS)))
    return answered / (time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Timings:
    """Of each request, by the wall and of the processor (this whole process)."""

    milliseconds: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)

    async def of(self, asked: Awaitable[httpx.Response]) -> httpx.Response:
        began, worked = time.perf_counter(), time.process_time()
        answer = await asked
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        self.processor_ms.append((time.process_time() - worked) * 1000)
        return answer


async def _cached(running: Running, client: httpx.AsyncClient, answers: dict[str, str]) -> tuple[Timings, Timings]:
    """Milliseconds over HTTP of requests that an earlier decision answers, and of a route that does nothing, asked in
    turn: one client, one request after the other."""
    first = await client.post(f"{API}/decisions/generate", json={"account_id": "beta"}, timeout=60)
    answers["beta"] = first.json()["decision_id"]
    await running.stored()
    times, bare_times = Timings(), Timings()
    async with _over_http(_bare_app(), "none") as bare:
        for _ in range(200):
            answer = await times.of(client.post(f"{API}/decisions/generate", json={"account_id": "beta"}, timeout=60))
            assert answer.json()["cached"], answer.text
            await bare_times.of(bare.get("/bare"))
    return times, bare_times


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.99) - 1]


def _earlier(answers: dict[str, str]) -> Callable[[Chain], list[tuple[str, Message]]]:
    """Requests of beta are answered by a decision of before, as the context worker does it; others as a chain would."""

    def script(chain: Chain) -> list[tuple[str, Message]]:
        if chain.account not in answers:
            return whole(chain)
        told = DecisionAnswered(
            decision_id=chain.decision_id,
            context_id=chain.context_id,
            request_id=chain.request_id,
            account_id=chain.account,
            answered_by=answers[chain.account],
            why="cached",
            correlation_id=chain.context_id,
            answered_at=chain.start,
        )
        return [(subjects.decision_answered(key_of(chain.account)), told)]

    return script


async def _filled(running: Running) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "_id": f"dec-{n:032d}",
            "created_at": now - timedelta(seconds=n),
            "request_id": f"r{n}",
            "account_id": "beta" if n % 2 else "alpha",
            "status": "hold" if n % 3 else "accepted",
            "rank": "50:",
            "symbols": ["BTCUSDT"],
            "actions": ["hold"],
        }
        for n in range(ROWS)
    ]
    await running.db[DECISIONS].insert_many(rows)
    state = builders.state("beta").model_dump_json().encode()
    await running.js.publish(f"$KV.{subjects.KV_STATE.name}.beta", state)


def _row(name: str, value: float, unit: str, reference: str, goal: float | None = None) -> dict[str, Any]:
    met = None if goal is None else value <= goal
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": met, "reference": reference}
