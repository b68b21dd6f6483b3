"""A stored context and the raw answers give the same proposal, byte for byte."""

import pytest

from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from services.decider.application.deciding import decide
from services.decider.domain.replay import differences, replay
from services.decider.domain.replies import TEXT_LIMIT, Outcome, Reply
from tests.fakes.decider_contexts import context
from tests.fakes.decider_ports import MemoryAnswers, ScriptedModels, StoppedClock, deps
from tests.unit.decider.test_handlers import MADE, answer, failed

CHAIN = "openrouter/openai/gpt-5,openrouter/x-ai/grok-4"
CUT = Reply(model="any", outcome=Outcome.TRUNCATED, text=answer(), error="it was cut")
EMPTY = Reply(model="any", outcome=Outcome.EMPTY, text="  ", error="the answer is empty")

SCRIPTS: dict[str, tuple[Reply | str, ...]] = {
    "a plain answer": (answer(),),
    "an answer with notes, a dropped asset and a missing one": (
        "<think>hm</think>```json\n" + answer("BTC-PERP", "DOGEUSDT").replace("60", '"60%"') + "\n```",
    ),
    "repaired": ("no json", answer()),
    "repaired in vain, then another model": ("no json", "[]", answer()),
    "failed, then answered": (failed(Outcome.UNAVAILABLE), answer()),
    "cut although it reads whole": (CUT, answer("BTCUSDT")),
    "empty, refused": (EMPTY, failed(Outcome.REFUSED)),
    "no key, no credit": (failed(Outcome.AUTH), failed(Outcome.CREDIT)),
    "longer than is read": (answer() + " " * TEXT_LIMIT, answer()),
    "half of a surrogate pair": (answer().replace("flat", "\\ud800"), answer()),
    "other words": (answer().replace("flat", "相場は横ばい — ‘ruhig’"),),
}


async def recorded(*script: Reply | str, made: TradingContext = MADE) -> DecisionProposed:
    clock = StoppedClock()
    return await decide(deps(ScriptedModels(clock, *script), clock, default_model=CHAIN), made)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
async def test_the_same_bytes_come_out_again(script: tuple[Reply | str, ...]) -> None:
    before = await recorded(*script)
    stored_context = TradingContext.model_validate_json(MADE.model_dump_json())
    stored = DecisionProposed.model_validate_json(before.model_dump_json())
    after = replay(stored_context, stored)
    assert after.model_dump_json() == before.model_dump_json()
    assert differences(before, after) == ()


async def test_an_answer_of_builtin_trend_comes_out_again() -> None:
    from services.decider.adapters.builtin import answer as rule

    class Rules(ScriptedModels):
        async def call(self, entry, messages, timeout_s):  # type: ignore[no-untyped-def]
            self.script.append(rule("trend", [dict(m) for m in messages]))
            return await super().call(entry, messages, timeout_s)

    clock, made = StoppedClock(), context()
    before = await decide(deps(Rules(clock), clock, answers=MemoryAnswers()), made)
    assert before.decision is not None
    assert replay(made, before).model_dump_json() == before.model_dump_json()


async def test_what_an_answer_no_longer_says_is_told() -> None:
    before = await recorded(answer())
    call = before.calls[0].model_copy(update={"raw_response": answer(confidence=61)})
    other = before.model_copy(update={"calls": (call,)})
    assert differences(other, replay(MADE, other)) == (
        "decision.decisions.0.confidence: 60.0 → 61.0",
        "decision.decisions.1.confidence: 60.0 → 61.0",
    )


async def test_an_answer_that_is_no_decision_any_more_becomes_an_abstention() -> None:
    before = await recorded(answer())
    other = before.model_copy(update={"calls": (before.calls[0].model_copy(update={"raw_response": "what?"}),)})
    after = replay(MADE, other)
    assert (after.status, after.decision, after.calls[0].outcome) == ("abstained", None, "invalid")
    assert 'status: "proposed" → "abstained"' in differences(other, after)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
async def test_records_from_before_the_end_of_a_call_was_kept_give_the_same_decision(
    script: tuple[Reply | str, ...],
) -> None:
    before = await recorded(*script)
    old = before.model_copy(update={"calls": tuple(c.model_copy(update={"ended": None}) for c in before.calls)})
    after = replay(MADE, old)
    if script[0] is not CUT:
        assert (after.status, after.decision) == (before.status, before.decision)
    assert [call.raw_response for call in after.calls] == [call.raw_response for call in before.calls]
