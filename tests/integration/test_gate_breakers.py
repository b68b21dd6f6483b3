"""The gate's breakers against a real Redis: a provider that is dead, a key that is refused, calls that died."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from libs.runtime.ending import end
from services.decider.adapters.gate import RedisGate
from services.decider.domain.breaker import BreakerRules
from services.decider.domain.catalogue import Catalogue
from services.decider.domain.gate import Admitted, Denial, WorstCase
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.replies import Outcome
from services.decider.domain.settlement import Settlement
from tests.fakes.decider_spending import FREE, PAID, UNPRICED, gate
from tests.integration.test_gate import CENT, QUICK, admitted, denied, gates
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration


async def call_dead(one: RedisGate, call_id: str, calls: list[str], outcome: Callable[[], Outcome]) -> None:
    found = await one.admit(call_id, None, FREE, CENT)
    if isinstance(found, Admitted):
        calls.append(call_id)
        await asyncio.sleep(0.01)
        await one.settle(found, Settlement(call_id, None, FREE, 0, 10, outcome()))


async def passed(redis_url: str, ms: int) -> None:
    """As if so much time had gone by for every circuit: to wait for it would depend on the machine."""
    async with Redis.from_url(redis_url) as redis:
        async for key in redis.scan_iter("*:circuit:*"):
            circuit = json.loads(await redis.get(key) or "")
            earlier = {name: max(0, circuit[name] - ms) for name in ("ends", "lease")}
            await redis.set(key, json.dumps(circuit | earlier), keepttl=True)


async def test_four_workers_make_five_calls_of_a_dead_provider_then_one_probe_at_a_time(redis_url: str) -> None:
    calls: list[str] = []
    rules = GateRules(breaker=QUICK)
    now = Outcome.UNAVAILABLE
    async with gates(redis_url, 4, rules=rules) as workers:
        await asyncio.gather(*(call_dead(workers[n % 4], f"d{n}:1", calls, lambda: now) for n in range(100)))
        assert len(calls) == 5
        why = await denied(workers[0].admit("x:1", None, FREE, CENT))
        assert (why.why, "unavailable" in why.detail) == (Denial.BREAKER_OPEN, True)
        assert (await workers[0].states([FREE]))[FREE.id] == "open"
        await passed(redis_url, 60_000)
        assert (await workers[0].states([FREE]))[FREE.id] == "half_open"
        await asyncio.gather(*(call_dead(workers[n % 4], f"e{n}:1", calls, lambda: now) for n in range(100)))
        assert len(calls) == 6
        now = Outcome.ANSWERED
        await passed(redis_url, 120_000)
        await asyncio.gather(*(call_dead(workers[n % 4], f"f{n}:1", calls, lambda: now) for n in range(4)))
        await asyncio.gather(*(call_dead(workers[n % 4], f"g{n}:1", calls, lambda: now) for n in range(20)))
        assert len(calls) == 27
        assert (await workers[0].states([FREE]))[FREE.id] == "closed"


async def test_a_probes_lease_ends_when_its_worker_is_dead(redis_url: str) -> None:
    rules = GateRules(breaker=BreakerRules(failures=1, open_ms=60_000, lease_ms=60_000))
    async with gates(redis_url, 2, rules=rules) as (dead, heir):
        ticket = await admitted(dead.admit("a:1", None, FREE, CENT))
        await dead.settle(ticket, Settlement("a:1", None, FREE, 0, 0, Outcome.TIMEOUT))
        await passed(redis_url, 60_000)
        assert (await admitted(dead.admit("b:1", None, FREE, CENT))).probe
        assert (await denied(heir.admit("c:1", None, FREE, CENT))).why is Denial.BREAKER_OPEN
        await passed(redis_url, 60_000)
        assert (await admitted(heir.admit("c:1", None, FREE, CENT))).probe


async def test_a_refused_key_closes_the_whole_provider_at_once(redis_url: str) -> None:
    async with gates(redis_url, 2) as (one, other):
        ticket = await admitted(one.admit("a:1", None, PAID, CENT))
        await one.settle(ticket, Settlement("a:1", None, PAID, None, None, Outcome.AUTH))
        why = await denied(other.admit("b:1", None, UNPRICED, CENT))
        assert why.why is Denial.KEY_REFUSED
        assert "openrouter refuses the key: check OPENROUTER_API_KEY" in why.detail
        await admitted(other.admit("c:1", None, FREE, CENT))


async def test_what_fails_in_a_shadow_opens_nobody_elses_breaker_and_takes_nobodys_probe(redis_url: str) -> None:
    rules = GateRules(breaker=QUICK, patience_s=0)
    async with gates(redis_url, rules=rules) as (live,):
        yielding, scripts = gate(redis_url, replace(rules, yields=True), holder="w0")
        await live.admit("first:1", None, PAID, WorstCase(0, 0))
        for n in range(5):
            ticket = await admitted(yielding.admit(f"s{n}:1", None, PAID, CENT))
            outcome = Outcome.AUTH if n == 4 else Outcome.TIMEOUT
            await yielding.settle(ticket, Settlement(f"s{n}:1", None, PAID, None, None, outcome))
        assert (await denied(yielding.admit("s9:1", None, PAID, CENT))).why is Denial.KEY_REFUSED
        assert await live.states([PAID]) == {PAID.id: "closed"}
        assert not (await admitted(live.admit("d1:1", None, PAID, CENT))).probe
        await scripts.stop()


async def test_models_of_ones_own_server_are_told_as_the_worst_of_them_under_the_servers_name(redis_url: str) -> None:
    server = FREE.model_copy(update={"id": "openai-compatible/*"})
    dead, well = (FREE.model_copy(update={"id": f"openai-compatible/{name}"}) for name in ("dead", "well"))
    catalogue = Catalogue({server.id: server})
    async with gates(redis_url, rules=GateRules(breaker=QUICK)) as (one,):
        for n in range(5):
            for entry, outcome in ((well, Outcome.ANSWERED), (dead, Outcome.UNAVAILABLE)):
                ticket = await admitted(one.admit(f"{entry.id}:{n}", None, entry, CENT))
                await one.settle(ticket, Settlement(f"{entry.id}:{n}", None, entry, 0, 10, outcome))
        looked = asyncio.Event()

        def label(model: str) -> str:
            looked.set()  # in the step of the loop that shows it
            return catalogue.label(model)

        watching = asyncio.create_task(one.watch((server,), label))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await looked.wait()
            assert one.breakers == {server.id: "open"}
        finally:
            await end([watching])
