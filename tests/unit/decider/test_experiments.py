"""Arms of experiments: the choice travels with the context; what is asked beside it is nobody's decision."""

import asyncio
from typing import Any

import pytest

from libs.schemas import ids
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.experiment import AssignedArm, Assignment
from services.decider.application.deciding import beside, decide, decided
from services.decider.domain import seats
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.replies import Outcome, Reply
from tests.fakes.decider_contexts import asset, context
from tests.fakes.decider_gate import ScriptedGate
from tests.fakes.decider_ports import MemoryAccounts, MemoryAnswers, ScriptedModels, StoppedClock, deps
from tests.fakes.decider_spending import account
from tests.unit.decider.test_handlers import answer

GPT, GROK = "openrouter/openai/gpt-5", "openrouter/x-ai/grok-4"
MADE = context({"BTCUSDT": asset("BTCUSDT"), "ETHUSDT": asset("ETHUSDT")})


def arm(name: str = "b", **choice: Any) -> AssignedArm:
    return AssignedArm(experiment="models", name=name, **choice)


def assigned(live: AssignedArm | None = None, *shadows: AssignedArm) -> TradingContext:
    return MADE.model_copy(update={"assignment": Assignment(live=live, shadows=shadows)})


def proposals(emits: list[Any]) -> list[DecisionProposed]:
    return [emit.body for emit in emits if isinstance(emit.body, DecisionProposed)]


async def test_a_live_arm_decides_under_the_id_that_everybody_expects() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, answer())
    made = await decide(deps(models, clock, default_model=GPT), assigned(arm(model=GROK)))
    assert made.decision_id == ids.decision_id("ctx-1", "live")
    assert (made.arm.experiment, made.arm.name, made.arm.shadow) == ("models", "b", False)
    assert [call[0] for call in models.calls] == [GROK]


async def test_an_arm_without_a_model_decides_with_the_accounts() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, answer())
    accounts = MemoryAccounts(account().model_copy(update={"model": GROK}))
    made = await decide(deps(models, clock, default_model=GPT, accounts=accounts), assigned(arm()))
    assert [call[0] for call in models.calls] == [GROK] and made.arm.name == "b"


async def test_an_arm_brings_its_own_prompt_and_parameters_and_the_record_shows_both() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, answer(), answer())
    wired = deps(models, clock, default_model=GPT)
    plain = await decide(wired, MADE.model_copy(update={"context_id": "ctx-0"}))
    made = await decide(wired, assigned(arm(prompt_template="Be brave.", params={"temperature": 0.9})))
    (call,), (before,) = made.calls, plain.calls
    assert "Be brave." in call.system_prompt + call.user_prompt
    assert call.prompt_version == f"{before.prompt_version}+models/b"
    assert call.params == before.params | {"temperature": 0.9}
    assert made.strategy == plain.strategy


async def test_each_shadow_arm_proposes_under_an_id_of_its_own_and_leaves_the_decision_as_it_is() -> None:
    with_shadows = assigned(None, arm("b", model=GROK), arm("c", model="builtin/trend"))
    clock = StoppedClock()
    models = ScriptedModels(clock, answer(), answer(), answer())
    wired = deps(models, clock, default_model=GPT)
    live = await decide(wired, with_shadows)
    found = proposals(await beside(wired, with_shadows))
    assert [(one.decision_id, one.arm.name, one.arm.shadow) for one in found] == [
        (ids.shadow_decision_id("ctx-1", "models", name), name, True) for name in ("b", "c")
    ]
    assert len({live.decision_id, *(one.decision_id for one in found)}) == 3
    assert all(one.facts == live.facts for one in found)
    alone = await decide(deps(ScriptedModels(StoppedClock(), answer()), StoppedClock(), default_model=GPT), MADE)
    assert live.model_copy(update={"timing": alone.timing}) == alone


async def test_a_shadow_has_a_gate_of_its_own() -> None:
    clock = StoppedClock()
    gate, denied = ScriptedGate(), Denied(Denial.BUDGET, "a shadow arm may use 80% of a budget")
    wired = deps(ScriptedModels(clock, answer()), clock, default_model=GPT, gate=gate, shadow_gate=ScriptedGate(denied))
    shadowed = assigned(None, arm(model=GROK))
    (shadow,) = proposals(await beside(wired, shadowed))
    assert (shadow.status, shadow.abstain_reason) == ("abstained", "budget")
    assert not gate.admitted
    (live,) = proposals(await decided(wired, shadowed, seats.live(shadowed)))
    assert live.status == "proposed"
    assert list(gate.admitted) == [f"{live.decision_id}:1"]


async def test_a_redelivered_shadow_pays_no_second_time() -> None:
    clock, answers = StoppedClock(), MemoryAnswers()
    models = ScriptedModels(clock, answer())
    wired = deps(models, clock, default_model=GPT, answers=answers)
    shadowed = assigned(None, arm(model=GROK))
    first, again = [proposals(await beside(wired, shadowed)) for _ in range(2)]
    assert len(models.calls) == 1
    assert first[0].decision == again[0].decision and again[0].calls[0].cached


async def test_decisions_at_once_keep_their_own_models() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, *[answer()] * 40)
    wired = deps(models, clock, default_model=GPT)

    def nth(n: int) -> TradingContext:
        made = assigned(arm(str(n), model=GROK if n % 2 else GPT))
        return made.model_copy(update={"context_id": f"ctx-{n}"})

    found = await asyncio.gather(*(decide(wired, nth(n)) for n in range(40)))
    assert [one.calls[0].model_requested for one in found] == [GROK if n % 2 else GPT for n in range(40)]
    assert [one.arm.name for one in found] == [str(n) for n in range(40)]


@pytest.mark.parametrize("outcome", [Outcome.AUTH, Outcome.UNAVAILABLE, Outcome.TIMEOUT])
async def test_a_shadow_that_fails_abstains_and_says_why(outcome: Outcome) -> None:
    clock = StoppedClock()
    failed = Reply(model="any", outcome=outcome, error="no")
    wired = deps(ScriptedModels(clock, *[failed] * 4), clock, default_model=GPT)
    (shadow,) = proposals(await beside(wired, assigned(None, arm(model=GROK))))
    assert (shadow.status, shadow.arm.shadow) == ("abstained", True)


async def test_a_context_without_shadows_asks_nobody() -> None:
    clock = StoppedClock()
    assert await beside(deps(ScriptedModels(clock), clock), MADE) == []
