"""Accounts, proposals and ticks for tests of the validator."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.configuration.configuration import By
from libs.schemas.account import Account, AccountState, Position, TradingDay
from libs.schemas.decision import Arm, AssetDecision, AssetFacts, DecisionProposed, StrategyRef, TradingDecision
from libs.schemas.market import MarketTick
from libs.schemas.reasons import AbstainReason
from libs.schemas.strategy import TradingStrategy
from tests import builders

T0 = datetime(2025, 5, 15, 12, tzinfo=UTC)
BY_TEST = By("a test", "a test")
SHADOW = Arm(experiment="prompts", name="b", shadow=True)


def seconds(after: float) -> datetime:
    return T0 + timedelta(seconds=after)


def strategy(**more: Any) -> TradingStrategy:
    return builders.strategy(
        **{"risk": {"max_leverage": 5}, "order_preference": "taker_accepted", "version": 3, **more}
    )


def account(account_id: str = "acc1", **more: Any) -> Account:
    return builders.account(account_id, **{"symbols": ("BTCUSDT", "ETHUSDT"), **more})


def state(account_id: str = "acc1", **more: Any) -> AccountState:
    day = TradingDay(start=T0.replace(hour=0), open_equity=Decimal(10_000))
    return builders.state(account_id, **{"version": 7, "day": day, "as_of": T0, **more})


def long_position(symbol: str = "BTCUSDT", entry: Decimal = Decimal(99_000)) -> Position:
    return builders.position(
        symbol,
        quantity=Decimal("0.01"),
        entry_price=entry,
        leverage=Decimal(3),
        margin=entry / 300,
        stop_loss=entry * Decimal("0.99"),
        opened_at=seconds(-3_600),
        decision_id="dec-before",
    )


def ask(asset: str = "BTCUSDT", action: str = "buy", **more: Any) -> AssetDecision:
    defaults: dict[str, Any] = {"allocation_usd": 300 if action in ("buy", "sell") else 0}
    if action == "buy":
        defaults |= {"leverage": 2, "sl_price": 99_000, "tp_price": 103_000}
    return builders.row(asset, action, **(defaults | more))


def decision(*asks: AssetDecision) -> TradingDecision:
    return builders.decision(*(asks or (ask(),)))


def seen(mark: float = 100_000, **more: Any) -> AssetFacts:
    return builders.seen(mark, **{"atr_percent": 0.4, **more})


def proposal(*asks: AssetDecision, **more: Any) -> DecisionProposed:
    facts = builders.facts(
        {"BTCUSDT": seen(), "ETHUSDT": seen(2_500)},
        correlations={"BTCUSDT|ETHUSDT": 0.5},
        account_version=7,
        as_of=T0,
    )
    values: dict[str, Any] = {
        "decision": decision(*asks),
        "symbols": ("BTCUSDT", "ETHUSDT"),
        "facts": facts,
        "strategy": StrategyRef(id="trend", version=3),
        "correlation_id": "req-1",
        "proposed_at": seconds(1),
        "expires_at": seconds(60),
    }
    return builders.proposal(**(values | more))


def abstention(**more: Any) -> DecisionProposed:
    told = {"status": "abstained", "decision": None, "abstain_reason": AbstainReason.TIMEOUT, "abstain_detail": "20 s"}
    return proposal(**(told | more))


def tick(symbol: str = "BTCUSDT", price: float = 100_000, after: float = 2, **more: Any) -> MarketTick:
    return builders.tick(symbol, price, ts=seconds(after), **more)
