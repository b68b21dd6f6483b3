"""Values for tests of the executor: a venue symbol, an account, a strategy, ticks, and validated decisions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.schemas.account import Account
from libs.schemas.decision import AssetDecision, StrategyRef
from libs.schemas.market import MarketTick
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import MarginTier, VenueSymbol
from libs.schemas.verdict import AssetVerdict, DecisionValidated, Instruction
from services.executor.domain.book import AccountBook, WorkingOrder, new_book
from services.executor.domain.performance import performance
from services.executor.domain.plan import orders, plan
from services.executor.domain.quote import Market, Quote, quote_of, rules_of
from tests import builders

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SYMBOL = "BTCUSDT"
D = Decimal
TIERS = (
    MarginTier(floor=D(0), mmr=D("0.004"), max_leverage=D(125)),
    MarginTier(floor=D(300_000), mmr=D("0.005"), max_leverage=D(100)),
)


def filters(symbol: str = SYMBOL, **over: Any) -> VenueSymbol:
    return builders.venue(symbol, **{"half_spread_bps": D(1), "slippage_bps": D(1), "tiers": TIERS, **over})


def account(account_id: str = "paper-1", **over: Any) -> Account:
    plain = {"strategy_id": "plain", "max_position_size": D(50_000), "leverage": D(5)}
    return builders.account(account_id, **(plain | over))


def strategy() -> TradingStrategy:
    """Limits that are out of the way."""
    return builders.strategy(
        "plain",
        risk={
            "max_risk_per_trade": 5,
            "max_daily_loss": 50,
            "stop_loss_percentage": 2,
            "take_profit_ratio": None,
            "max_leverage": 10,
            "cooldown_period": 0,
            "max_funding_rate_bps": 100,
        },
        timeframe_preference=("5m",),
        max_positions=5,
        margin_pct=20,
        funding_rate_threshold=1,
        max_exposure_pct=500,
        max_asset_share_pct=100,
        max_cluster_pct=1000,
        take_profit_pct=5,
        order_preference="taker_accepted",
    )


def book(**over: Any) -> AccountBook:
    return new_book(account(**over), performance((), D(10_000)), NOW)


def tick(price: float, *, symbol: str = SYMBOL, at: datetime = NOW, **over: Any) -> MarketTick:
    return builders.tick(symbol, price, ts=at, **over)


def quote(price: float, *, seconds: float = 0, sequence: int = 1, symbol: str = SYMBOL, **over: Any) -> Quote:
    at = NOW + timedelta(seconds=seconds)
    return quote_of(tick(price, symbol=symbol, at=at, **over), sequence, at)


def market(*quotes: Quote, seconds: float = 0, **over: Any) -> Market:
    """The market with one rule set for every symbol that is quoted, and for BTCUSDT."""
    symbols = {SYMBOL, *(q.symbol for q in quotes)}
    return Market(
        {q.symbol: q for q in quotes},
        {s: rules_of(filters(s, **over)) for s in symbols},
        NOW + timedelta(seconds=seconds),
    )


def instruction(action: str = "buy", **over: Any) -> Instruction:
    made: dict[str, Any] = {
        "asset": SYMBOL,
        "action": action,
        "side": "sell" if action == "sell" else "buy",
        "quantity": D("0.1"),
        "notional": D(5_000),
        "margin": D(1_000),
        "leverage": D(5),
        "type": "market",
        "time_in_force": "ioc",
        "entry": D(50_000),
        "stop": D(49_000),
        "target": D(52_000),
    }
    return Instruction(**{**made, **over})


def closing_instruction(side: str = "sell", **over: Any) -> Instruction:
    made: dict[str, Any] = {"asset": SYMBOL, "action": "close_position", "side": side, "reduce_only": True}
    return Instruction(**{**made, **over})


def validated(
    *finals: Instruction,
    decision: str = "dec-1",
    account_id: str = "paper-1",
    at: datetime = NOW,
    price: float = 50_000.0,
) -> DecisionValidated:
    """A decision whose every row was accepted as it stands."""
    rows = tuple(_asked(final) for final in finals)
    return builders.validated(
        decision,
        account_id=account_id,
        expires_at=at + timedelta(seconds=60),
        decision=builders.decision(*rows, total_allocation_usd=1000),
        facts=builders.facts({f.asset: builders.seen(price, age_seconds=0) for f in finals}, as_of=at),
        strategy=StrategyRef(id="plain", version=1),
        verdicts=tuple(
            AssetVerdict(asset=f.asset, verdict="accepted", action=f.action, final=f if f.action != "hold" else None)
            for f in finals
        ),
        prices_at_validation={f.asset: price for f in finals},
        validated_at=at,
        status="accepted" if any(f.action != "hold" for f in finals) else "hold",
    )


def working(body: DecisionValidated, held: AccountBook) -> tuple[WorkingOrder, ...]:
    """The orders that a decision would be submitted as."""
    return orders(plan(body, body.verdicts, held, body.validated_at))


def _asked(final: Instruction) -> AssetDecision:
    if final.action not in ("buy", "sell"):
        return builders.row(final.asset, final.action)
    return builders.row(
        final.asset,
        final.action,
        allocation_usd=float(final.margin or 0),
        leverage=float(final.leverage) if final.leverage else None,
        tp_price=float(final.target) if final.target else None,
        sl_price=float(final.stop) if final.stop else None,
    )
