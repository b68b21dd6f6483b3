"""The prompts of the five strategies: strict, stable, and with an example that the rules would take."""

from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from libs.configuration.templates import JinjaTemplates, RenderedPage
from libs.configuration.yaml_text import yaml_value
from libs.risk.judge import judge
from libs.risk.values import AccountView, Judgement, Limits, PositionView
from libs.schemas.account import PositionSide
from libs.schemas.context import TradingContext
from libs.schemas.decision import TradingDecision
from libs.schemas.reasons import Reason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from libs.strategies.invalidation import conditions, told
from libs.strategies.variables import template_variables
from services.decider.domain.parse import Parsed, parse
from services.decider.domain.prompt import build
from tests import builders
from tests.fakes.decider_contexts import NOW, account, context, position
from tests.fakes.decider_ports import CONFIG

NAMES = ("aggressive", "conservative", "dca", "scalping", "swing")
MARKS = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0}
# What the example of a strategy takes as open: side, entry, stop.
HELD: dict[str, dict[str, tuple[PositionSide, str, str]]] = {
    "aggressive": {"ETHUSDT": ("long", "2990", "2950")},
    "swing": {"BTCUSDT": ("long", "59400", "58900")},
}
# Terms of the intent that each prompt has to work with (design 04).
INTENT = {
    "conservative": ("4h", "5m", "at least 3 times", "never chased"),
    "aggressive": ("break", "within 6 hours", "vol_ratio"),
    "scalping": ("within 5 minutes", "as maker", "atr14 of 1m is above the round trip", "30 minutes"),
    "swing": ("6 to 18 hours", "two in a row", "8 bps"),
    "dca": ("5 equal limit orders of 500 USD, 0.5% apart", "3% above the average", "no other"),
}


@cache
def shipped(name: str) -> TradingStrategy:
    return TradingStrategy.model_validate(yaml_value(Path(CONFIG / "strategies" / f"{name}.yaml").read_text()))


def made(name: str, **changes: Any) -> TradingContext:
    return context(account_state=account(active_strategy=shipped(name), **changes))


def page(name: str, **changes: Any) -> RenderedPage:
    return JinjaTemplates().page(shipped(name).prompt_template, template_variables(made(name, **changes)))


def example(name: str, **changes: Any) -> TradingDecision:
    found = parse(page(name, **changes).text, tuple(MARKS))
    assert isinstance(found, Parsed), found
    assert (found.notes, found.invented) == ((), ())
    return found.decision


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_the_same_at_each_decision_of_an_account(name: str) -> None:
    """So a provider can cache all of the system part."""
    now = page(name)
    later = page(name, equity=Decimal(5_000), trading_state="reducing", open_positions=(position("BTCUSDT"),))
    assert now == later
    assert build(made(name), now.text).system == build(made(name, equity=Decimal(1)), later.text).system


@pytest.mark.parametrize("name", NAMES)
def test_the_text_works_with_the_strategys_intent_and_only_with_columns_that_it_asks_for(name: str) -> None:
    shown = page(name)
    words = " ".join(shown.text.split())
    for term in INTENT[name]:
        assert term in words
    every = {"ema20", "ema50", "macd", "hist", "rsi14", "bb_low", "bb_mid", "bb_up", "atr14", "vol_ratio"}
    assert {column for column in every if column in words} == set(shown.view.columns) - {"high", "low", "close"}
    timeframes = shipped(name).timeframe_preference
    assert all(timeframe in words for timeframe in timeframes)
    assert not {f for f in ("1m", "3m", "15m", "5m", "1h", "4h") if f" {f}" in words} - set(timeframes)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_an_answer_that_every_rule_takes(name: str) -> None:
    decision = example(name)
    judgement = judged(name, decision)
    denied = {
        verdict.asset: [f"{receipt.rule}: {receipt.message}" for receipt in verdict.receipts]
        for verdict in judgement.verdicts
        if verdict.verdict == "denied"
    }
    assert not denied
    assert not judgement.portfolio
    assert any(row.action in ("buy", "sell") for row in decision.decisions)


LIMITS = [("1", "500"), ("2", "1000"), ("5", "5000"), ("10", "10000"), ("20", "100000")]


@pytest.mark.parametrize(("leverage", "most"), LIMITS, ids=["1x", "2x", "C25: 5x (nofx #1120)", "10x", "20x"])
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_example_obeys_the_limits_of_the_account_that_reads_it(
    name: str, leverage: str, most: str
) -> None:
    strategy, bounds = shipped(name), {"leverage": Decimal(leverage), "max_position_size": Decimal(most)}
    decision = example(name, **bounds)
    for row in decision.decisions:
        if row.action not in ("buy", "sell"):
            assert (row.confidence, row.allocation_usd, row.leverage) == (None, 0, None)
            continue
        assert row.leverage is not None
        assert row.leverage <= min(strategy.risk_parameters.max_leverage, float(leverage))
        assert 0 < row.allocation_usd * row.leverage <= float(most)
        if strategy.ladder is None:
            assert row.sl_price is not None
            price = row.limit_price or MARKS[row.asset]
            assert 0 < abs(price - row.sl_price) / price * 100 <= strategy.risk_parameters.stop_loss_percentage
            assert row.allocation_usd <= (strategy.fixed_margin_usd or 10_000 * (strategy.margin_pct or 100) / 100)
    assert decision.total_allocation_usd == sum(row.allocation_usd for row in decision.decisions)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_accepted_as_it_is_by_an_account_of_ten_thousand(name: str) -> None:
    bounds = {"leverage": Decimal(5), "max_position_size": Decimal(10_000)}
    judgement = judged(name, example(name, **bounds), equity=Decimal(10_000), **bounds)
    clamps = {receipt.reason for each in judgement.verdicts for receipt in each.receipts if receipt.effect != "note"}
    assert clamps <= {Reason.STOP_DEFAULTED, Reason.TARGET_DEFAULTED}  # a ladder leaves both to code
    assert {verdict.verdict for verdict in judgement.verdicts} == {"accepted"} or name == "dca"


@pytest.mark.parametrize("name", NAMES)
def test_an_invalidation_of_the_example_is_one_that_code_can_check(name: str) -> None:
    stated = [row.invalidation for row in example(name).decisions if row.invalidation]
    assert stated
    assert all(" or ".join(told(each) for each in conditions(text)) == text for text in stated)


@pytest.mark.parametrize(
    ("maker", "taker", "said"),
    [(2, 5, "7 bps or 0.07%"), (0, 4.5, "4.5 bps or 0.045%"), (-0.5, 3, "2.5 bps or 0.025%"), (1, 1, "2 bps or 0.02%"),
     (10, 15, "25 bps or 0.25%")],
)  # fmt: skip
def test_the_round_trip_of_a_scalp_is_that_of_the_account(maker: float, taker: float, said: str) -> None:
    text = page("scalping", maker_fee_bps=maker, taker_fee_bps=taker).text
    assert f"as maker in and taker out, {said} of the price" in text
    assert f"in as maker and out as taker costs {maker + taker:g} bps" in text


def judged(name: str, decision: TradingDecision, **changes: Any) -> Judgement:
    strategy, equity = shipped(name), changes.pop("equity", Decimal(50_000))
    bounds = {"max_position_size": Decimal(100_000), "leverage": Decimal(20), **changes}
    seen = {symbol: builders.seen(mark, bid=mark, ask=mark, atr_percent=0.5) for symbol, mark in MARKS.items()}
    facts = builders.facts(seen, as_of=NOW)
    held = {symbol: _position(symbol, *found) for symbol, found in HELD.get(name, {}).items()}
    view = AccountView(
        account_id="a", status="active", trading_state="active", equity=equity, available=equity,
        positions=held, resting={}, last_entry_at={}, day_open_equity=equity, transfers=Decimal(0), version=1,
    )  # fmt: skip
    configured = builders.account(
        "a",
        initial_balance=Decimal(50_000),
        symbols=tuple(MARKS),
        strategy_id=name,
        **bounds,
    )
    limits = Limits(strategy, configured, {symbol: _listed(symbol) for symbol in MARKS})
    return judge(decision, facts, view, limits, NOW, expires_at=NOW + timedelta(seconds=30), proposed=facts)


def _position(symbol: str, side: PositionSide, entry: str, stop: str) -> PositionView:
    return PositionView(symbol, side, Decimal("0.1"), Decimal(entry), Decimal(3), Decimal(2_000), Decimal(stop), None)


def _listed(symbol: str) -> VenueSymbol:
    return VenueSymbol.model_validate({"venue": "paper", **_rows()[symbol]})


@cache
def _rows() -> dict[str, Any]:
    venue = yaml_value((CONFIG / "venues" / "paper.yaml").read_text())
    return {row["symbol"]: row for row in venue["symbols"]}
