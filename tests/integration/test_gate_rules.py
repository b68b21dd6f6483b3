"""The scripts in Redis say what the pure rules say: the same random events go through both."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from redis import Redis

from libs.schemas.account import Budgets
from services.decider.adapters import scripts
from services.decider.domain import breaker, bucket, budget, questions
from services.decider.domain.breaker import BreakerRules, Circuit
from services.decider.domain.budget import Amount
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.local_gate import Closed, LocalGate
from services.decider.domain.questions import OpenReservation
from services.decider.domain.replies import Outcome
from tests.fakes.decider_spending import FREE, PAID, account
from tests.forms import SPEED, examples
from tests.servers import Urls

pytestmark = pytest.mark.integration
SHARED = [*SPEED, HealthCheck.function_scoped_fixture]
BEGIN = 1_795_212_000_000_000  # 22:00 UTC: midnight comes in between
RULES = GateRules(BreakerRules(failures=3, lease_ms=5_000, open_ms=10_000, longest_ms=30_000, proven_ms=20_000), 40)
OUTCOMES = [Outcome.ANSWERED, Outcome.TIMEOUT, Outcome.UNAVAILABLE, Outcome.AUTH, Outcome.REFUSED]
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(0, 12_000_000)),
        st.tuples(st.just("leave"), st.integers(0, 3_000_000), st.integers(0, 5), st.sampled_from(OUTCOMES)),
    ),
    max_size=40,
)


class Shared:
    """The scripts, called with a time of the test's own."""

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url, decode_responses=True)
        shared = (scripts.LUA / "gate.lua").read_text()
        self.scripts = {
            n: self.redis.register_script(shared + (scripts.LUA / f"{n}.lua").read_text()) for n in scripts.NAMES
        }

    def run(self, name: str, ask: dict[str, Any], now: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.scripts[name](keys=[scripts.PREFIX], args=[json.dumps(ask | {"now": now})])
        )
        return found

    def circuit(self, guard: str) -> Circuit:
        raw = self.redis.get(f"{scripts.PREFIX}:circuit:{guard}")
        if raw is None:
            return Circuit()
        found = json.loads(str(raw))
        flights = tuple(breaker.Flight(**one) for one in found.pop("flights") or ())
        return Circuit(**found, flights=flights)


@pytest.fixture(scope="module")
def shared(servers: Urls) -> Iterator[Shared]:
    made = Shared(servers.redis)
    yield made
    made.redis.close()


@examples(60, 600, suppress_health_check=SHARED)
@given(EVENTS)
def test_breaker_and_bucket_in_redis_are_the_pure_ones(shared: Shared, events: list[tuple[Any, ...]]) -> None:
    shared.redis.flushdb()
    local, now, flying = LocalGate(RULES.breaker), BEGIN, []
    owner, guards = account(rate_limit=7), questions.guards(FREE, RULES)
    for n, event in enumerate(events):
        now += event[1]
        if event[0] == "enter":
            held = OpenReservation(f"n{n}", f"c{n}", Amount(0, 0), ())
            ask = questions.admit(held, owner, FREE, RULES) | {"patient": False}
            there = shared.run("admit", ask, now)
            here = local.enter(held.nonce, guards, questions.buckets(owner, FREE, RULES), now)
            if isinstance(here, Closed):
                assert (there["which"], int(there["wait"]), there.get("cause", "")) == (
                    here.which,
                    here.wait_us,
                    here.cause,
                )
            else:
                assert there["probe"] == here
                flying.append(held)
        elif flying:
            held = flying.pop(event[2] % len(flying))
            shared.run("settle", questions.settle(held, "", FREE, RULES, Amount(0, 0), event[3]), now)
            local.leave(held.nonce, guards, event[3], now)
        for guard in guards:
            mine = local.circuits.get(guard.id, Circuit())
            assert breaker.wait_ms(shared.circuit(guard.id), now // 1000) == breaker.wait_ms(mine, now // 1000)
            assert breaker.crowded(shared.circuit(guard.id), guard, now // 1000, RULES.breaker) == breaker.crowded(
                mine, guard, now // 1000, RULES.breaker
            )
            assert shared.circuit(guard.id).failures == mine.failures


@examples(40, 400, suppress_health_check=SHARED)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reserve", "settle", "again"]),
            st.integers(0, 700_000_000),
            st.integers(0, 60),
            st.integers(0, 60),
            st.integers(0, 5),
        ),
        max_size=40,
    )
)
def test_what_is_spent_and_reserved_never_passes_a_limit(shared: Shared, events: list[tuple[Any, ...]]) -> None:
    """Against a plain model: a list of amounts with the hour and the day in which each was reserved."""
    shared.redis.flushdb()
    now, bounds = BEGIN, Budgets(usd_per_hour=100e-9, usd_per_day=250e-9, tokens_per_hour=110, tokens_per_day=240)
    scopes = (budget.BudgetScope("global", budget.limits_of(bounds)),)
    shared.redis.set(f"{scripts.PREFIX}:rebuilder", "t")
    shared.run("restore", {"holder": "t", "day": 0, "hour": 0, "spent": [], "seen": {}}, now)
    book: dict[str, tuple[int, int, int]] = {}
    held: list[OpenReservation] = []
    for n, (kind, passed, usd, tokens, pick) in enumerate(events):
        now += passed
        hour, day = now // 3_600_000_000, now // 86_400_000_000
        if kind == "reserve":
            one = OpenReservation(f"n{n}", f"c{n}", Amount(usd, tokens), scopes)
            answer = shared.run(
                "admit", questions.admit(one, None, PAID, RULES) | {"patient": False, "buckets": []}, now
            )
            mine = [
                sum(a[0] for a in book.values() if a[2] // 3_600_000_000 == hour) + usd <= 100,
                sum(a[0] for a in book.values() if a[2] // 86_400_000_000 == day) + usd <= 250,
                sum(a[1] for a in book.values() if a[2] // 3_600_000_000 == hour) + tokens <= 110,
                sum(a[1] for a in book.values() if a[2] // 86_400_000_000 == day) + tokens <= 240,
            ]
            assert ("denied" not in answer) == all(mine), answer
            if all(mine):
                book[one.nonce] = (usd, tokens, now)
                held.append(one)
        elif held:
            one = held[pick % len(held)]
            final = Amount(min(usd, one.amount.usd), min(tokens, one.amount.tokens))
            epoch = shared.run("state", {}, now)["epoch"]
            ask = questions.settle(one, epoch, PAID, RULES, final, Outcome.ANSWERED)
            for _ in range(2 if kind == "again" else 1):  # told twice it counts once
                shared.run("settle", ask, now)
            book[one.nonce] = (final.usd, final.tokens, book[one.nonce][2])
            held.remove(one)


def test_a_folder_of_scripts_is_whole() -> None:
    assert {path.stem for path in Path(scripts.LUA).glob("*.lua")} == {"gate", *scripts.NAMES}


def test_a_bucket_gives_a_minutes_worth_at_once_and_then_one_an_interval() -> None:
    rate, full_at, now = bucket.per_minute(60), 0, BEGIN
    for _ in range(60):
        assert bucket.wait_us(full_at, now, rate) == 0
        full_at = bucket.taken(full_at, now, rate)
    assert bucket.wait_us(full_at, now, rate) == 1_000_000
    assert bucket.wait_us(full_at, now + 1_000_000, rate) == 0
