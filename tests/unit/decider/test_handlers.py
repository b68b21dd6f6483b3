"""From context to proposal: the one call path, what is kept, and every way to abstain."""

import json
from datetime import timedelta
from typing import Any

import pytest

from libs.runtime.pull import Pull
from libs.schemas import ids
from libs.schemas.decision import DecisionProposed
from libs.schemas.subjects import DECIDER_CONTEXTS, DECIDER_SHADOWS
from services.decider.application.deciding import decide
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.policy import CallLimits
from services.decider.domain.prompt import Form, build, template_variables
from services.decider.domain.replies import Outcome, Reply
from services.decider.handlers import routes
from tests import builders
from tests.fakes.decider_contexts import NOW, account, asset, context, strategy, warming_up
from tests.fakes.decider_gate import ScriptedGate
from tests.fakes.decider_ports import MemoryAccounts, MemoryAnswers, ScriptedModels, StoppedClock, deps

GPT = "openrouter/openai/gpt-5"
MADE = context({"BTCUSDT": asset("BTCUSDT"), "ETHUSDT": asset("ETHUSDT")})


def answer(*assets: str, confidence: float = 60) -> str:
    row = {"action": "hold", "exit_plan": "none", "rationale": "flat", "confidence": confidence, "risk_level": "low"}
    return json.dumps(
        {
            "decisions": [{"asset": symbol, **row} for symbol in assets or ("BTCUSDT", "ETHUSDT")],
            "portfolio_rationale": "nothing to do",
            "total_allocation_usd": 0,
            "portfolio_risk_level": "low",
        }
    )


def failed(outcome: Outcome, **more: Any) -> Reply:
    return Reply(model="any", outcome=outcome, error=f"it was {outcome}", **more)


def without_marks(proposal: DecisionProposed) -> dict[str, Any]:
    return proposal.model_dump(exclude={"timing": True, "calls": {"__all__": {"cached"}}})


async def run(*script: Reply | str, took_s: float = 0.1, **changes: Any) -> tuple[DecisionProposed, ScriptedModels]:
    clock = StoppedClock()
    models = ScriptedModels(clock, *script, took_s=took_s)
    made = changes.pop("made", MADE)
    return await decide(deps(models, clock, default_model=GPT, **changes), made), models


async def test_a_proposal_carries_its_causes_and_the_facts_it_was_made_on() -> None:
    proposal, _ = await run(answer())
    assert proposal.decision_id == ids.decision_id("ctx-1", "live")
    assert (proposal.context_id, proposal.context_ref, proposal.request_id) == ("ctx-1", "ctx-1", "req-1")
    assert (proposal.account_id, proposal.correlation_id) == ("scalper", "req-1")
    assert (proposal.strategy.id, proposal.strategy.version) == ("scalping", 3)
    assert (proposal.symbols, proposal.missing, proposal.dry_run) == (("BTCUSDT", "ETHUSDT"), (), False)
    assert (proposal.proposed_at, proposal.expires_at) == (NOW, MADE.expires_at)
    facts = proposal.facts.assets["BTCUSDT"]
    assert (facts.last, facts.atr_percent) == (94_230.2, 0.1)
    assert facts.mark == pytest.approx(94_239.623)
    assert (facts.age_seconds, facts.stale, facts.has_indicators, facts.funding_rate) == (0.4, False, True, 0.0001)
    assert (proposal.facts.account_version, proposal.facts.as_of) == (17, NOW)


async def test_facts_say_what_is_stale_and_what_has_no_indicators() -> None:
    cold = asset("ETHUSDT")
    sets = cold.technical_indicators.model_copy(update={"interval": warming_up("1m")})
    made = context(
        {
            "BTCUSDT": asset("BTCUSDT", mark_price=None),
            "ETHUSDT": cold.model_copy(update={"technical_indicators": sets}),
        },
        degraded=("BTCUSDT",),
    )
    proposal, _ = await run(answer(), made=made)
    btc, eth = proposal.facts.assets["BTCUSDT"], proposal.facts.assets["ETHUSDT"]
    assert (btc.stale, btc.mark, btc.has_indicators) == (True, 94_230.2, True)
    assert (eth.stale, eth.has_indicators) == (False, False)


async def test_the_call_is_recorded_as_it_was_made() -> None:
    proposal, models = await run(answer())
    (call,), ((model, messages, timeout_s),) = proposal.calls, models.calls
    assert (model, timeout_s) == (GPT, 20)
    assert [m["content"] for m in messages] == [call.system_prompt, call.user_prompt]
    assert (call.attempt, call.outcome, call.raw_response, call.error) == (1, "ok", answer(), None)
    assert (call.prompt_version, call.provider) == ("3/scalping@3", "openrouter")
    assert call.params == {
        "max_tokens": 8000, "reasoning_effort": "low", "seed": 7, "structured_output": "json_schema", "timeout_s": 60,
    }  # fmt: skip


async def test_timing_separates_the_model_from_our_own_work() -> None:
    proposal, _ = await run(failed(Outcome.UNAVAILABLE), answer(), took_s=1.5)
    assert proposal.timing.context == 1.5
    assert proposal.timing.model == pytest.approx(3_000)
    assert proposal.timing.engine == pytest.approx(0, abs=0.001)  # the back-off is nobody's work


@pytest.mark.parametrize(
    ("requested", "of_account", "expected"),
    [
        (None, None, GPT),
        (None, "openrouter/x-ai/grok-4", "openrouter/x-ai/grok-4"),
        ("openrouter/google/gemini-2.5-pro", "openrouter/x-ai/grok-4", "openrouter/google/gemini-2.5-pro"),
    ],
    ids=["the default", "the account's", "the request's before the account's"],
)
async def test_the_model_is_chosen_per_call(requested: str | None, of_account: str | None, expected: str) -> None:
    configured = builders.account("scalper", strategy_id="scalping", model=of_account)
    made = context({"BTCUSDT": asset("BTCUSDT")}, model=requested)
    proposal, models = await run(answer("BTCUSDT"), made=made, accounts=MemoryAccounts(configured))
    assert (models.calls[0][0], proposal.calls[0].model_requested) == (expected, expected)


async def test_missing_assets_are_named_and_invented_ones_dropped_with_a_note() -> None:
    proposal, _ = await run(answer("BTCUSDT", "DOGEUSDT"))
    assert proposal.missing == ("ETHUSDT",)
    assert proposal.decision is not None
    assert [row.asset for row in proposal.decision.decisions] == ["BTCUSDT"]
    assert proposal.calls[0].error is None
    assert proposal.calls[0].notes == ("dropped, not asked for: DOGEUSDT",)


async def test_a_retried_repair_is_still_a_repair() -> None:
    proposal, models = await run("no", failed(Outcome.UNAVAILABLE), answer())
    assert [call.outcome for call in proposal.calls] == ["invalid", "unavailable", "repaired"]
    assert [len(messages) for _, messages, _ in models.calls] == [2, 4, 4]
    assert [call.attempt for call in proposal.calls] == [1, 2, 3]
    assert proposal.calls[1].prompt_sha256 == proposal.calls[2].prompt_sha256 != proposal.calls[0].prompt_sha256


async def test_an_expired_context_is_not_asked_about() -> None:
    clock = StoppedClock(MADE.expires_at + timedelta(seconds=1))
    models = ScriptedModels(clock)
    proposal = await decide(deps(models, clock, default_model=GPT), MADE)
    assert (proposal.status, proposal.abstain_reason, proposal.calls) == ("abstained", "expired", ())
    assert models.calls == []


async def test_an_unknown_model_is_refused_by_name() -> None:
    made = context({"BTCUSDT": asset("BTCUSDT")}, model="openrouter/openai/gpt-9")
    proposal, models = await run(made=made)
    assert proposal.abstain_reason == "unknown_model"
    assert "openrouter/openai/gpt-9" in (proposal.abstain_detail or "")
    assert "builtin/trend" in (proposal.abstain_detail or "")
    assert models.calls == []


async def test_a_template_that_names_the_unknown_abstains_and_says_what() -> None:
    bad = account(active_strategy=strategy(prompt_template="{{ account.equty }}"))
    proposal, models = await run(made=context({"BTCUSDT": asset("BTCUSDT")}, account_state=bad))
    assert proposal.abstain_reason == "invalid"
    assert "equty" in (proposal.abstain_detail or "")
    assert models.calls == []


async def test_a_paid_model_abstains_where_the_gate_has_no_book() -> None:
    gate = ScriptedGate(for_good={GPT: Denied(Denial.BUDGET_UNAVAILABLE, "Redis is away")})
    proposal, models = await run(answer(), answers=MemoryAnswers(away=True), gate=gate)
    assert proposal.abstain_reason == "budget_unavailable"
    assert models.calls == []


async def test_free_models_go_on_while_the_store_is_away() -> None:
    made = context({s: asset(s) for s in ("BTCUSDT", "ETHUSDT")}, model="builtin/trend")
    proposal, models = await run(answer(), made=made, answers=MemoryAnswers(away=True))
    assert (proposal.status, len(models.calls)) == ("proposed", 1)


async def test_an_answer_whose_keeping_fails_still_counts() -> None:
    class LostOnTheWay(MemoryAnswers):
        async def kept(self, decision_id: str) -> list[Reply]:
            found = await super().kept(decision_id)
            self.away = True
            return found

    proposal, _ = await run(answer(), answers=LostOnTheWay())
    assert proposal.status == "proposed"


async def test_a_redelivery_calls_nothing_and_decides_the_same() -> None:
    answers = MemoryAnswers()
    first, _ = await run(failed(Outcome.RATE_LIMITED), answer(confidence=170), answer(), answers=answers)
    again, models = await run(answers=answers)
    assert models.calls == []
    assert all(call.cached for call in again.calls)
    assert not any(call.cached for call in first.calls)
    assert without_marks(again) == without_marks(first)


async def test_a_redelivery_after_half_of_the_calls_goes_on_from_there() -> None:
    answers = MemoryAnswers()
    await answers.keep(ids.decision_id("ctx-1", "live"), 1, Reply(model=GPT, outcome=Outcome.ANSWERED, text="no"))
    proposal, models = await run(answer(), answers=answers)
    assert [call.outcome for call in proposal.calls] == ["invalid", "repaired"]
    assert [len(messages) for _, messages, _ in models.calls] == [4]


async def test_a_redelivery_stays_with_the_model_that_was_begun_with_even_if_late() -> None:
    answers = MemoryAnswers()
    await run(answer(), answers=answers)
    clock = StoppedClock(MADE.expires_at + timedelta(seconds=1))
    models = ScriptedModels(clock)
    proposal = await decide(deps(models, clock, default_model="builtin/trend", answers=answers), MADE)
    assert (proposal.status, proposal.calls[0].model_requested) == ("proposed", GPT)
    assert models.calls == []


async def test_a_rules_answer_is_not_kept_since_it_comes_out_alike_for_nothing() -> None:
    answers = MemoryAnswers()
    made = MADE.model_copy(update={"request": MADE.request.model_copy(update={"model": "builtin/trend"})})
    proposal, _ = await run(answer(), made=made, answers=answers)
    assert (proposal.status, answers.replies) == ("proposed", {})


async def test_the_time_of_an_earlier_delivery_counts_for_the_deadline() -> None:
    answers = MemoryAnswers()
    spent = Reply(model=GPT, outcome=Outcome.TIMEOUT, latency_ms=19_900)
    await answers.keep(ids.decision_id("ctx-1", "live"), 1, spent)
    proposal, models = await run(answers=answers)
    assert (proposal.abstain_reason, models.calls) == ("timeout", [])


async def test_calls_end_at_the_deadline() -> None:
    proposal, models = await run(*[failed(Outcome.TIMEOUT)] * 2, took_s=60, limits=CallLimits(deadline_s=20))
    assert proposal.abstain_reason == "timeout"
    assert [timeout_s for _, _, timeout_s in models.calls] == [20]


async def test_a_dry_run_stays_one() -> None:
    made = context({"BTCUSDT": asset("BTCUSDT")})
    made = made.model_copy(update={"request": made.request.model_copy(update={"dry_run": True})})
    proposal, _ = await run(answer("BTCUSDT"), made=made)
    assert proposal.dry_run


def test_each_router_has_its_own_subscribers() -> None:
    clock = StoppedClock()
    wired = deps(ScriptedModels(clock), clock)
    for _ in range(2):
        places = {sub.durable: sub.places for sub in routes(wired).subscribers if isinstance(sub, Pull)}
        assert places == {DECIDER_CONTEXTS: wired.concurrency, DECIDER_SHADOWS: 1}


def test_the_prompt_that_is_recorded_can_be_built_again_from_the_context() -> None:
    """Replay needs nothing but the stored context."""
    text = "the same"
    form = Form(with_schema=True)
    assert build(MADE, text, form) == build(type(MADE).model_validate_json(MADE.model_dump_json()), text, form)
    assert template_variables(MADE)["symbols"] == ["BTCUSDT", "ETHUSDT"]
