"""The gate over a real Redis: budgets, breakers and rates that workers share, and what is left without it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from cli.embedded.servers import Servers
from libs.runtime.ending import end
from libs.schemas.account import Budgets
from libs.schemas.analytics import Alert
from services.decider.adapters.gate import RedisGate
from services.decider.domain.breaker import BreakerRules
from services.decider.domain.gate import KEPT, Admitted, Denial, Denied, WorstCase
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.replies import Outcome
from services.decider.domain.settlement import Settlement
from tests.fakes.decider_spending import FREE, PAID, RULE, UNPRICED, MemoryLog, account, gate

pytestmark = pytest.mark.integration
CENT = WorstCase(0.01, 1_000)
OK = Outcome.ANSWERED
QUICK = BreakerRules(open_ms=60_000, longest_ms=600_000, lease_ms=60_000)


@asynccontextmanager
async def gates(url: str, count: int = 1, **more: Any) -> AsyncIterator[list[RedisGate]]:
    """Workers' gates, each with connections of its own."""
    async with AsyncExitStack() as stack:
        made = []
        for n in range(count):
            one, scripts = gate(url, holder=f"w{n}", **more)
            stack.push_async_callback(scripts.stop)
            made.append(one)
        yield made


async def admitted(found: Awaitable[Admitted | Denied]) -> Admitted:
    one = await found
    assert isinstance(one, Admitted), one
    return one


async def denied(found: Awaitable[Admitted | Denied]) -> Denied:
    one = await found
    assert isinstance(one, Denied), one
    return one


async def test_workers_racing_at_a_limit_overrun_it_by_nothing(redis_url: str) -> None:
    spender = account(usd_per_day=1.0, rate_limit=10_000)
    rules = GateRules(patience_s=0)
    async with gates(redis_url, 10, rules=rules) as workers:
        for one in workers:  # connections, and the counters, are there before the race
            await one.admit("first:1", None, PAID, WorstCase(0, 0))
        found = await asyncio.gather(*(workers[n % 10].admit(f"d{n}:1", spender, PAID, CENT) for n in range(300)))
        used = await workers[0].used("scalper")
    passed = [one for one in found if isinstance(one, Admitted)]
    assert len(passed) == 100
    assert {one.why for one in found if isinstance(one, Denied)} == {Denial.BUDGET}
    assert used["usd_per_day"] == 1_000_000_000


@pytest.mark.parametrize(
    ("entry", "worst", "cost", "tokens", "outcome", "usd", "counted"),
    [
        (PAID, CENT, 0.004, 700, OK, 4_000_000, 700),
        (PAID, CENT, None, None, Outcome.TIMEOUT, 10_000_000, 1_000),
        (PAID, CENT, None, None, Outcome.AUTH, 0, 0),
        (PAID, CENT, None, None, Outcome.RATE_LIMITED, 0, 0),
        (PAID, CENT, None, None, OK, 10_000_000, 1_000),
        (UNPRICED, WorstCase(None, 1_000), None, 700, OK, 0, 700),
        (UNPRICED, WorstCase(None, 1_000), 0.004, 700, OK, 4_000_000, 700),
        (UNPRICED, WorstCase(None, 1_000), None, None, Outcome.TIMEOUT, 30_000_000, 1_000),
    ],
    ids=[
        "the true cost", "a time-out may have cost the worst", "a refused key costs nothing",
        "nor does a refused call", "an answer without usage stays at the worst", "without a price tokens count",
        "unless the provider says what it cost", "and dollars stay assumed where nobody knows",
    ],
)  # fmt: skip
async def test_a_call_is_counted_as_what_is_known_of_it(
    redis_url: str, entry: Any, worst: WorstCase, cost: float | None, tokens: int | None, outcome: Outcome,
    usd: int, counted: int,
) -> None:  # fmt: skip
    async with gates(redis_url) as (one,):
        ticket = await admitted(one.admit("d:1", account(), entry, worst))
        await one.settle(ticket, Settlement("d:1", account(), entry, cost, tokens, outcome))
        await one.settle(ticket, Settlement("d:1", account(), entry, cost, tokens, outcome))
        for name in ("scalper", None):
            used = await one.used(name)
            assert (used["usd_per_day"], used["tokens_per_hour"]) == (usd, counted)


async def test_a_refusal_says_which_limit_how_far_and_when_it_ends(redis_url: str) -> None:
    async with gates(redis_url, rules=GateRules(budgets=Budgets(tokens_per_hour=1_500))) as (one,):
        await admitted(one.admit("d:1", account(), PAID, CENT))
        why = await denied(one.admit("d:2", account(), PAID, CENT))
    assert why.why is Denial.BUDGET
    assert "all accounts: 1,000 tokens of 1,500 tokens are spent or reserved this hour" in why.detail
    assert "PERPETUA_BUDGET_TOKENS_PER_HOUR" in why.detail
    assert 0 < (why.retry_after_s or 0) <= 3_600


async def test_a_worker_that_died_leaves_its_reservation_and_a_second_call_takes_its_own(redis_url: str) -> None:
    async with gates(redis_url, 2) as (dead, heir):
        await admitted(dead.admit("d:1", account(), PAID, CENT))
        ticket = await admitted(heir.admit("d:1", account(), PAID, CENT))
        await heir.settle(ticket, Settlement("d:1", account(), PAID, 0.001, 10, OK))
        assert (await heir.used(None))["usd_per_day"] == 11_000_000  # the first call may have been paid for


async def test_an_answer_that_was_kept_settles_what_its_dead_worker_reserved(redis_url: str) -> None:
    async with gates(redis_url, 2) as (dead, heir):
        await admitted(dead.admit("d:1", account(), PAID, CENT))
        for _ in range(2):
            await heir.settle(KEPT, Settlement("d:1", account(), PAID, 0.001, 10, OK))
        assert (await heir.used(None))["usd_per_day"] == 1_000_000


async def test_an_alert_is_given_once_in_a_period_beyond_four_fifths(redis_url: str) -> None:
    alerts: list[Alert] = []
    spender = account(usd_per_day=0.1)
    async with gates(redis_url, 2, alert=alerts.append) as workers:
        for n in range(14):
            found = await workers[n % 2].admit(f"d{n}:1", spender, PAID, CENT)
            if isinstance(found, Admitted):
                await workers[n % 2].settle(found, Settlement(f"d{n}:1", spender, PAID, 0.01, 10, OK))
            assert len(alerts) == (n >= 8)
    (alert,) = alerts
    assert (alert.kind, alert.account_id, alert.threshold, alert.value) == ("budget", "scalper", 0.1, 0.09)


async def test_the_rate_of_an_account_is_shared_and_names_the_wait(redis_url: str) -> None:
    slow = account(rate_limit=3)
    async with gates(redis_url, 2) as workers:
        for n in range(3):
            await admitted(workers[n % 2].admit(f"d{n}:1", slow, FREE, CENT))
        why = await denied(workers[1].admit("d4:1", slow, FREE, CENT))
        assert (why.why, "rate_limit" in why.detail) == (Denial.RATE_LIMITED, True)
        assert 19 < (why.retry_after_s or 0) <= 20
        await admitted(workers[1].admit("d5:1", account("another"), FREE, CENT))


async def test_what_is_denied_has_taken_nothing(redis_url: str) -> None:
    rules = GateRules(budgets=Budgets(usd_per_day=0.005))
    async with gates(redis_url, rules=rules) as (one,):
        await denied(one.admit("d:1", account(rate_limit=1), PAID, CENT))
        await admitted(one.admit("d:2", account(rate_limit=1), PAID, WorstCase(0.001, 10)))


async def test_a_rule_passes_without_asking_anybody() -> None:
    async with gates("redis://127.0.0.1:1/0") as (one,):
        assert await admitted(one.admit("d:1", account(rate_limit=1), RULE, CENT))


def proposal(decision: str, cost: float | None, outcome: str = "ok") -> dict[str, Any]:
    call = {
        "attempt": 1, "model_requested": PAID.id, "outcome": outcome, "cost_usd": cost, "system_prompt": "s" * 100,
        "user_prompt": "u" * 100, "params": {"max_tokens": 900},
        "usage": None if cost is None else {"prompt": 400, "completion": 100, "reasoning": 50},
    }  # fmt: skip
    return {"decision_id": decision, "account_id": "scalper", "calls": [call]}


async def test_lost_counters_are_made_anew_from_the_log_by_one_worker_before_paid_calls_go_on(redis_url: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    log = MemoryLog((now, proposal("d1", 0.5)), (now - 90_000, proposal("yesterday", 7)), (now, proposal("d2", 0.25)))
    spender = account(usd_per_day=1.0, rate_limit=1_000)
    async with gates(redis_url, 4, log=log, rules=GateRules(patience_s=0)) as workers:
        found = await asyncio.gather(*(workers[n % 4].admit(f"x{n}:1", spender, PAID, CENT) for n in range(60)))
        assert sum(isinstance(one, Admitted) for one in found) == 25
        assert log.reads == 1
        assert (await workers[0].used("scalper"))["tokens_per_day"] == 2 * 500 + 25 * 1_000
        async with Redis.from_url(redis_url) as redis:
            await redis.flushdb()
        again = await denied(workers[1].admit("y:1", spender, PAID, WorstCase(0.30, 10)))
        assert again.why is Denial.BUDGET


async def test_calls_under_way_when_the_counters_are_lost_still_count(redis_url: str) -> None:
    spender = account(usd_per_day=1.0)
    log = MemoryLog(in_hand=2)
    async with gates(redis_url, 2, log=log) as (one, other):
        running = await admitted(one.admit("a:1", spender, PAID, WorstCase(0.6, 10)))
        ended = await admitted(one.admit("b:1", spender, PAID, WorstCase(0.3, 10)))
        async with Redis.from_url(redis_url) as redis:
            await redis.flushdb()
        watching = asyncio.create_task(one.watch())
        await asyncio.sleep(0.1)
        await one.settle(ended, Settlement("b:1", spender, PAID, 0.1, 5, OK))
        assert (await denied(other.admit("c:1", spender, PAID, WorstCase(0.31, 10)))).why is Denial.BUDGET
        await one.settle(running, Settlement("a:1", spender, PAID, 0.2, 5, OK))
        assert (await other.used("scalper"))["usd_per_day"] == 300_000_000
        await end([watching])


async def test_counters_of_an_earlier_run_of_the_server_are_not_believed(own_servers: Servers) -> None:
    """A snapshot that came back with the server is older than what was spent."""
    url = (await asyncio.to_thread(own_servers.restart, "redis")).url
    now = int(datetime.now(UTC).timestamp())
    log = MemoryLog()
    async with gates(url, log=log) as (one,):
        await admitted(one.admit("a:1", account(), PAID, CENT))
        async with Redis.from_url(url) as redis:
            dump = {key: await redis.dump(key) for key in await redis.keys()}
        own_servers.signal("redis", signal.SIGKILL)
        lost = await denied(one.admit("b:1", account(), PAID, CENT))
        assert (lost.why, "start Redis" in lost.detail) == (Denial.BUDGET_UNAVAILABLE, True)
        free = await admitted(one.admit("c:1", account(), FREE, CENT))
        await one.settle(free, Settlement("c:1", account(), FREE, 0, 10, OK))
        await asyncio.to_thread(own_servers.restart, "redis", kill=True)
        async with Redis.from_url(url) as redis:
            for key, value in dump.items():
                await redis.restore(key, 0, value or b"")
        log.records.append((now, proposal("a", 0.5)))
        async with asyncio.timeout(60):
            while isinstance(await one.admit("d:1", account(), PAID, CENT), Denied):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (await one.used(None))["usd_per_day"] == 510_000_000


async def test_shadow_arms_leave_a_fifth_of_each_budget_to_decisions_that_count(redis_url: str) -> None:
    spender, alerts = account(usd_per_day=1.0, rate_limit=10_000), list[Alert]()
    async with gates(redis_url, rules=GateRules(patience_s=0), alert=alerts.append) as (live,):
        yielding, scripts = gate(redis_url, GateRules(patience_s=0, yields=True), holder="w0", alert=alerts.append)
        await live.admit("first:1", None, PAID, WorstCase(0, 0))
        found = await asyncio.gather(*(yielding.admit(f"s{n}:1", spender, PAID, CENT) for n in range(120)))
        refused = [one for one in found if isinstance(one, Denied)]
        assert len(refused) == 40
        assert "a shadow arm may use 80% of a budget" in refused[0].detail and alerts == []
        counted = await asyncio.gather(*(live.admit(f"d{n}:1", spender, PAID, CENT) for n in range(30)))
        assert sum(isinstance(one, Admitted) for one in counted) == 20
        assert (await live.used("scalper"))["usd_per_day"] == 10**9
        await scripts.stop()


async def test_shadow_arms_leave_a_part_of_each_rate(redis_url: str) -> None:
    spender = account(rate_limit=10)
    async with gates(redis_url, rules=GateRules(patience_s=0)) as (live,):
        yielding, scripts = gate(redis_url, GateRules(patience_s=0, yields=True), holder="w0")
        shadow = [await yielding.admit(f"s{n}:1", spender, FREE, CENT) for n in range(10)]
        assert sum(isinstance(one, Admitted) for one in shadow) == 8
        own = [await live.admit(f"d{n}:1", spender, FREE, CENT) for n in range(4)]
        assert [isinstance(one, Admitted) for one in own] == [True, True, False, False]
        await scripts.stop()
