"""Many workers, one budget and one breaker, through the decider itself: LiteLLM, HTTP and Redis are real.

The long form takes the full numbers, also with worker processes on a bus.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats
import pytest
from nats.js.errors import NotFoundError

from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.account import Budgets
from libs.schemas.decision import DecisionProposed
from services.decider.adapters.redis import RedisAnswers
from services.decider.application.deciding import decide
from services.decider.domain.breaker import BreakerRules
from services.decider.domain.gate import WorstCase
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.policy import CallLimits
from services.decider.ports import Deps
from tests.fakes.decider_contexts import context
from tests.fakes.decider_gate import ScriptedGate
from tests.fakes.decider_spending import gate
from tests.fakes.model_server import Answer, Drop, ModelServer, model_server
from tests.forms import sized
from tests.integration.deciding import GPT, KEY, asking, decision
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
DECISIONS, AFFORDED = sized((120, 12), (1_000, 100))
QUICK = BreakerRules(open_ms=1_500, longest_ms=3_000, lease_ms=20_000)  # as long as what is asked meanwhile may take


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@asynccontextmanager
async def workers(count: int, server: ModelServer, redis_url: str, rules: GateRules) -> AsyncIterator[list[Deps]]:
    """Deciders that share nothing but Redis and the model's server."""
    async with AsyncExitStack() as stack:
        real = await stack.enter_async_context(asking(server, limits=CallLimits(backoff_s=0.01, deadline_s=30)))
        made = []
        for n in range(count):
            shared, scripts = gate(redis_url, rules, holder=f"w{n}")
            answers = RedisAnswers(redis_url)
            stack.push_async_callback(scripts.stop)
            stack.push_async_callback(answers.stop)
            made.append(replace(real, gate=shared, answers=answers))
        yield made


async def at_once(found: Sequence[Deps], count: int, name: str = "c") -> list[DecisionProposed]:
    return await asyncio.gather(*(decide(found[n % len(found)], context(name=f"{name}{n}")) for n in range(count)))


async def worst_case(server: ModelServer) -> WorstCase:
    """What one of these decisions could cost at most."""
    asked = ScriptedGate()
    server.then(Answer(decision()))
    async with asking(server) as real:
        await decide(replace(real, gate=asked), context(name="0"))
    server.requests.clear()
    (worst,) = asked.admitted.values()
    return worst


def ends(found: Sequence[DecisionProposed]) -> dict[str, int]:
    return dict(Counter(str(one.abstain_reason or one.status) for one in found))


async def test_decisions_against_a_budget_for_a_tenth_of_them_pay_for_exactly_a_tenth(
    server: ModelServer, redis_url: str
) -> None:
    worst = await worst_case(server)
    assert worst.usd is not None
    rules = GateRules(budgets=Budgets(usd_per_day=(AFFORDED + 0.5) * worst.usd))
    server.then(*[Answer(decision(), cost=worst.usd, delay_s=0.05)] * DECISIONS)
    async with workers(4, server, redis_url, rules) as found:
        decided = await at_once(found, DECISIONS)
        used = await found[0].gate.used(None)  # type: ignore[attr-defined]
    assert ends(decided) == {"proposed": AFFORDED, "budget": DECISIONS - AFFORDED}
    assert len(server.requests) == AFFORDED
    assert used["usd_per_day"] == pytest.approx(AFFORDED * worst.usd * 1e9, abs=AFFORDED)
    detail = next(one.abstain_detail or "" for one in decided if one.abstain_reason == "budget")
    assert "PERPETUA_BUDGET_USD_PER_DAY" in detail


async def test_four_workers_call_a_dead_provider_five_times_and_then_probe_until_it_is_back(
    server: ModelServer, redis_url: str
) -> None:
    server.then(*[Drop()] * 200)
    async with workers(4, server, redis_url, GateRules(QUICK, patience_s=60)) as found:
        decided = await at_once(found, 40, "dead")
        assert ends(decided) == {"unavailable": 40}
        assert len(server.requests) == 5
        await asyncio.sleep(QUICK.open_ms / 1000)
        assert ends(await at_once(found, 40, "probe")) == {"unavailable": 40}
        assert len(server.requests) == 6
        server.script.clear()
        server.then(*[Answer(decision())] * 200)
        await asyncio.sleep(2 * QUICK.open_ms / 1000)  # the probe failed: twice as long, and then one is enough
        (probe,) = await at_once(found, 1, "alive")
        assert probe.status == "proposed"
        assert ends(await at_once(found, 40, "again")) == {"proposed": 40}


async def test_a_hundred_deliveries_of_one_context_pay_once(server: ModelServer, redis_url: str) -> None:
    server.then(*[Answer(decision(), cost=0.01, delay_s=0.2)] * 100)
    async with workers(4, server, redis_url, GateRules()) as found:
        decided = await asyncio.gather(*(decide(found[n % 4], context(name="same")) for n in range(100)))
        used = await found[0].gate.used(None)  # type: ignore[attr-defined]
    assert (ends(decided), len(server.requests)) == ({"proposed": 100}, 1)
    assert used["usd_per_day"] == 10_000_000


@pytest.mark.slow
@pytest.mark.long
async def test_four_worker_processes_pay_for_exactly_a_hundred_of_a_thousand_contexts(
    server: ModelServer, nats_url: str, redis_url: str
) -> None:
    worst = await worst_case(server)
    assert worst.usd is not None
    server.then(*[Answer(decision(), cost=worst.usd, delay_s=0.2)] * 1_000)
    connection = await nats.connect(nats_url)
    js = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(js)
    environment = {
        **os.environ, "NATS_URL": nats_url, "REDIS_URL": redis_url, "LLM_MODEL": GPT, "OPENROUTER_API_KEY": KEY,
        "OPENROUTER_API_BASE": server.url, "PERPETUA_BUDGET_USD_PER_DAY": repr(100.5 * worst.usd),
    }  # fmt: skip
    command = (sys.executable, "-m", "services.decider.app")
    quiet = asyncio.subprocess.DEVNULL
    running = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stderr=quiet) for _ in range(4)
    ]
    try:
        now = datetime.now(UTC)
        for n in range(1_000):
            made = context(name=f"p{n}", timestamp=now, expires_at=now + timedelta(seconds=1_000))
            await js.publish(subjects.context_built(made.account_id), made.model_dump_json().encode())
        decided: list[DecisionProposed] = []
        async with asyncio.timeout(400):
            while len(decided) < 1_000:
                try:
                    found = await js.get_msg("DECISIONS", len(decided) + 1)
                except NotFoundError:
                    await asyncio.sleep(0.1)
                    continue
                decided.append(DecisionProposed.model_validate_json(found.data or b""))
    finally:
        for one in running:
            one.terminate()
        await asyncio.gather(*(one.wait() for one in running))
        await connection.close()
    assert ends(decided) == {"proposed": 100, "budget": 900}
    assert len(server.requests) == 100
