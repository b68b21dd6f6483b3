"""Several models, the gate before each call, and workers that meet at the same context."""

import asyncio
from dataclasses import replace
from typing import Any

from libs.schemas import ids
from libs.schemas.decision import DecisionProposed
from libs.schemas.models import ModelsConfig
from services.decider.application.deciding import announce, decide
from services.decider.application.session import Session
from services.decider.domain import seats
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.incidents import key_of
from services.decider.domain.replay import differences, replay
from services.decider.domain.replies import Outcome, Reply
from tests.fakes.decider_contexts import NOW, asset, context
from tests.fakes.decider_gate import ScriptedGate
from tests.fakes.decider_ports import MemoryAccounts, MemoryAnswers, ScriptedModels, StoppedClock, deps
from tests.unit.decider.test_handlers import GPT, answer, failed

GROK = "openrouter/x-ai/grok-4"
RULE = "builtin/trend"
MADE = context({"BTCUSDT": asset("BTCUSDT")})
GOOD = answer("BTCUSDT")


async def run(*script: Reply | str, chain: str = f"{GPT},{GROK}", **more: Any) -> tuple[DecisionProposed, list[str]]:
    clock = StoppedClock()
    models = ScriptedModels(clock, *script)
    proposal = await decide(deps(models, clock, default_model=chain, **more), MADE)
    return proposal, [model for model, _, _ in models.calls]


async def test_the_next_model_answers_where_the_first_cannot() -> None:
    proposal, called = await run(failed(Outcome.AUTH), GOOD)
    assert called == [GPT, GROK]
    assert [(c.model_requested, c.outcome) for c in proposal.calls] == [(GPT, "auth"), (GROK, "ok")]


async def test_a_model_that_the_gate_denies_is_passed_over_and_named() -> None:
    gate = ScriptedGate(for_good={GPT: Denied(Denial.BREAKER_OPEN, f"{GPT}: its breaker is open")})
    proposal, called = await run(GOOD, gate=gate)
    assert called == [GROK]
    assert (proposal.status, proposal.not_asked) == ("proposed", (f"{GPT}: its breaker is open",))


async def test_a_free_model_answers_where_the_budget_is_used_up() -> None:
    gate = ScriptedGate(for_good={GPT: Denied(Denial.BUDGET, "5 USD a day are used up")})
    proposal, called = await run(GOOD, chain=f"{GPT},{RULE}", gate=gate)
    assert (called, proposal.status) == ([RULE], "proposed")


async def test_nothing_but_a_used_up_budget_abstains_with_that_reason() -> None:
    gate = ScriptedGate(for_good={GPT: Denied(Denial.BUDGET, "5 USD a day are used up")})
    proposal, called = await run(chain=GPT, gate=gate)
    assert (called, proposal.abstain_reason, proposal.abstain_detail) == ([], "budget", "5 USD a day are used up")
    assert proposal.calls == ()


async def test_a_rate_limit_that_lifts_in_time_is_waited_for() -> None:
    gate = ScriptedGate(Denied(Denial.RATE_LIMITED, "60 a minute", retry_after_s=2))
    proposal, called = await run(GOOD, chain=GPT, gate=gate)
    assert (called, proposal.status, proposal.not_asked) == ([GPT], "proposed", ())


async def test_a_denied_repair_goes_to_the_next_model() -> None:
    gate = ScriptedGate(None, Denied(Denial.BUDGET, "used up"))
    proposal, called = await run("no", GOOD, gate=gate)
    assert called == [GPT, GROK]
    assert [c.outcome for c in proposal.calls] == ["invalid", "ok"]


async def test_a_cut_answer_is_asked_for_once_with_a_larger_limit() -> None:
    proposal, called = await run(failed(Outcome.TRUNCATED), GOOD, chain=GPT)
    assert called == [GPT, GPT]
    assert [call.params["max_tokens"] for call in proposal.calls] == [8_000, 16_000]


async def test_every_call_is_reserved_and_settled_by_what_it_came_to() -> None:
    gate = ScriptedGate()
    good = Reply(model=GPT, outcome=Outcome.ANSWERED, text=GOOD, reported_cost=0.02)
    proposal, _ = await run(failed(Outcome.RATE_LIMITED), failed(Outcome.TIMEOUT), good, chain=GPT, gate=gate)
    first, second, third = (f"{proposal.decision_id}:{n}" for n in (1, 2, 3))
    assert gate.settled == {
        first: (0.0, 0, Outcome.RATE_LIMITED),  # turned down: nothing was charged
        second: (None, None, Outcome.TIMEOUT),  # nobody knows: the reservation stands
        third: (0.02, None, Outcome.ANSWERED),
    }
    worst = gate.admitted[third]
    assert worst.usd is not None
    assert worst.usd > 8_000 * 10 / 1e6  # the limit of the answer, and the prompt beside it


async def test_a_switched_chain_goes_before_the_default_at_once() -> None:
    accounts = MemoryAccounts(models=ModelsConfig(chain=(GROK,), switched_at=NOW, by="test", why="try it"))
    _, called = await run(GOOD, chain=GPT, accounts=accounts)
    assert called == [GROK]


async def test_an_unknown_name_in_a_chain_is_refused_before_anything_is_asked() -> None:
    proposal, called = await run(chain=f"{GPT},openrouter/typo")
    assert (called, proposal.abstain_reason) == ([], "unknown_model")
    assert "openrouter/typo" in (proposal.abstain_detail or "")


async def test_a_redelivery_passes_over_what_was_passed_over() -> None:
    answers = MemoryAnswers()
    await answers.keep(ids.decision_id("ctx-1", "live"), 1, Reply(model=GROK, outcome=Outcome.ANSWERED, text=GOOD))
    proposal, called = await run(answers=answers)
    assert called == []
    assert [(c.model_requested, c.cached) for c in proposal.calls] == [(GROK, True)]


async def test_two_workers_at_the_same_context_pay_once_and_decide_the_same() -> None:
    class Slow(ScriptedModels):
        async def call(self, *args: Any) -> Reply:
            await asyncio.sleep(0.01)  # both are at it
            return await super().call(*args)

    answers, clock = MemoryAnswers(), StoppedClock()
    models = Slow(clock, "no", GOOD)

    async def sleep(seconds: float) -> None:
        clock.pass_time(0.0)
        await asyncio.sleep(0.001)

    wired = [deps(models, clock, default_model=GPT, answers=answers) for _ in range(2)]
    made = [Session.of(replace(each, sleep=sleep), MADE, seats.live(MADE)) for each in wired]
    courses = await asyncio.gather(*(session.run() for session in made))
    assert len(models.calls) == 2  # the answer and its repair, each once
    assert courses[0].end == courses[1].end
    assert {call.raw_response for course in courses for call in course.calls} == {"no", GOOD}


async def test_an_incident_is_announced_once_and_again_after_it_was_over() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, failed(Outcome.AUTH), failed(Outcome.CREDIT), GOOD, failed(Outcome.AUTH))
    wired = deps(models, clock, default_model=GPT)
    alerts = []
    for n in range(4):
        again = MADE.model_copy(update={"context_id": f"ctx-{n}"})
        session = Session.of(wired, again, seats.live(again))
        await session.run()
        alerts.append([emit.body for emit in await announce(wired, session.exchanges)])
    assert [len(each) for each in alerts] == [1, 0, 0, 1]
    (alert,) = alerts[0]
    assert (alert.kind, alert.severity) == ("auth", "critical")  # type: ignore[attr-defined]
    assert await wired.incidents.begin(key_of("auth", "openrouter"), NOW) is None


async def test_a_model_that_its_provider_does_not_know_is_an_alert_of_its_own() -> None:
    clock = StoppedClock()
    session = Session.of(
        deps(ScriptedModels(clock, failed(Outcome.NOT_FOUND)), clock, default_model=GPT), MADE, seats.live(MADE)
    )
    await session.run()
    (emit,) = await announce(session.deps, session.exchanges)
    assert (emit.subject, emit.body.kind) == ("alert.raised.global", "model")  # type: ignore[attr-defined]


async def test_one_entry_that_stays_wrong_does_not_void_the_rest() -> None:
    clock = StoppedClock()
    both = context({symbol: asset(symbol) for symbol in ("BTCUSDT", "ETHUSDT")})
    wrong = answer("BTCUSDT", "ETHUSDT").replace('"hold"', '"buy or hold"', 1)
    models = ScriptedModels(clock, wrong, wrong)
    proposal = await decide(deps(models, clock, default_model=GPT), both)
    assert (proposal.status, [call.outcome for call in proposal.calls]) == ("proposed", ["invalid", "invalid"])
    assert proposal.decision is not None
    assert (len(proposal.decision.decisions), len(proposal.missing)) == (1, 1)
    assert differences(proposal, replay(both, proposal)) == ()
