"""What a prompt tells of own decisions: facts, bounded, and never a word that a model wrote."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.configuration.templates import JinjaTemplates, TemplateFailed
from libs.schemas.account import Condition
from libs.schemas.memory import PastDecision, PastTrade, PastVerdict
from libs.schemas.reasons import Reason
from libs.strategies.invalidation import conditions
from libs.strategies.variables import template_variables
from libs.strategies.view import View
from services.decider.domain.prompt import Form, build
from tests import builders
from tests.fakes.decider_contexts import NOW, account, context, position

BELOW = conditions("15m close below 59100")
ID = "dec-before"


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def verdict(action: Any = "buy", said: Any = "accepted", *reasons: Reason, at: datetime | None = None) -> PastVerdict:
    return PastVerdict(decision_id=ID, asset="BTCUSDT", action=action, verdict=said, reasons=reasons, at=at or ago(95))


def trade(**changes: Any) -> PastTrade:
    defaults: dict[str, Any] = {
        "side": "long", "result": Decimal("-15.714"), "held_minutes": 40, "closed_at": ago(55), "closed_by": "stop",
    }  # fmt: skip
    return PastTrade(**(defaults | changes))


def past(judged: PastVerdict | None = None, **changes: Any) -> PastDecision:
    return PastDecision(**({"asset": "BTCUSDT", "at": ago(95), "verdict": judged} | changes))


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (past(verdict(said="denied"), traded=False), "buy denied"),
        (
            past(verdict("sell", "denied", Reason.REWARD_TOO_SMALL, Reason.COOLDOWN)),
            "sell denied (reward_too_small, cooldown)",
        ),
        (past(verdict("close_position")), "close_position accepted"),
        (past(verdict("buy", "clamped", Reason.RISK_CLAMPED)), "buy clamped (risk_clamped); nothing filled"),
        (past(verdict(), traded=True), "buy accepted; open"),
        (
            past(verdict(), traded=True, trade=trade()),
            "buy accepted; long, closed by stop after 40 min, result -15.71",
        ),
        (
            past(traded=True, trade=trade(result=Decimal(8), closed_by=None, side="short")),
            "entered; short, closed after 40 min, result +8.00",
        ),
        (
            past(traded=True, trade=trade(conditions=BELOW, invalidated_at=ago(61), checked=True)),
            "entered; long, closed by stop after 40 min, result -15.71; 15m close below 59100: happened at 05-04 10:59",
        ),
        (
            past(traded=True, trade=trade(conditions=BELOW, checked=True)),
            "result -15.71; 15m close below 59100: has not happened",
        ),
        (
            past(traded=True, trade=trade(conditions=BELOW)),
            "result -15.71; 15m close below 59100: not known, candles are missing",
        ),
    ],
)
def test_what_came_of_a_decision_is_told(decision: PastDecision, said: str) -> None:
    (line,) = (
        build(context(past_decisions=(decision,)), "x").user.split("# What came")[1].split("\n\n")[0].split("\n")[1:]
    )
    assert line.startswith("BTCUSDT 95 min ago: ")
    assert line.endswith(said)


def test_an_entry_that_rests_is_said_to_rest() -> None:
    resting = builders.open_order(decision_id=ID, created_at=NOW)
    made = context(past_decisions=(past(verdict()),), account_state=account(open_orders=(resting,)))
    assert "buy accepted; rests\n" in build(made, "x").user


def test_nothing_is_said_of_nothing_and_the_newest_of_each_asset_are_kept() -> None:
    assert "What came" not in build(context(), "x").user
    many = tuple(past(verdict(at=ago(n)), at=ago(n)) for n in range(9, 0, -1))
    lines = build(context(past_decisions=many), "x", view=View(outcomes=2)).user.split("# What came")[1].split("\n")
    assert [line.split(" ago")[0] for line in lines[1:3]] == ["BTCUSDT 2 min", "BTCUSDT 1 min"]
    assert lines[3] == ""


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "invalidation: none that code can check"),
        ({"conditions": BELOW, "checked": True}, "invalidation: 15m close below 59100: has not happened"),
        ({"conditions": BELOW}, "invalidation: 15m close below 59100: not known, candles are missing"),
        ({"conditions": BELOW, "invalidated_at": ago(3)}, "15m close below 59100: happened at 05-04 11:57"),
        (
            {"conditions": (*BELOW, Condition(timeframe="4h", figure="ema20", side="below", than="ema50"))},
            "invalidation: 15m close below 59100 or 4h ema20 below ema50: not known",
        ),
    ],
)
def test_a_position_s_invalidation_is_told_as_code_has_checked_it(stated: dict[str, Any], said: str) -> None:
    held = account(open_positions=(position("BTCUSDT", **stated),))
    assert said in build(context(account_state=held), "x").user


@given(st.text(min_size=5, max_size=200).filter(lambda text: text.strip()))
def test_no_word_of_a_model_is_in_a_later_prompt(text: str) -> None:
    """Marked, so that it cannot be in the prompt by chance."""
    injected = f"⚑{text}"
    held = account(open_positions=(position("BTCUSDT", exit_plan=injected, invalidation=injected),))
    for form in (Form(), Form(with_schema=True)):
        prompt = build(context(account_state=held), "x", form)
        assert "⚑" not in prompt.system + prompt.user


def test_a_template_cannot_bring_it_back() -> None:
    held = context(account_state=account(open_positions=(position("BTCUSDT", exit_plan="⚑", invalidation="⚑"),)))
    assert "⚑" not in JinjaTemplates().render("{{ account }}{{ strategy }}", template_variables(held))
    for name in ("exit_plan", "invalidation"):
        with pytest.raises(TemplateFailed, match=name):
            JinjaTemplates().render("{{ account.open_positions[0]." + name + " }}", template_variables(held))
