"""Decisions, markets and accounts to judge: each with one asset at 100 and nothing in the way unless a test says so."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from libs.risk import AccountView, Judgement, Limits, PositionView, Resting, Verdict, judge
from libs.schemas.account import PositionSide
from libs.schemas.decision import Action, AssetDecision, AssetFacts, Facts
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from tests import builders
from tests.builders import decision

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
BTC, ETH, SOL, XRP = SYMBOLS


def row(asset: str = BTC, action: Action = "buy", **fields: Any) -> AssetDecision:
    """A buy of 100 margin with a stop at 98 and a target at 110, unless told else."""
    return (builders.entry if action in ("buy", "sell") else builders.row)(asset, action, **fields)


def increase(asset: str = BTC, amount: float = 100, **fields: Any) -> AssetDecision:
    return row(asset, "adjust_position", position_adjustment=_size("increase", amount, fields))


def decrease(asset: str = BTC, amount: float = 100, **fields: Any) -> AssetDecision:
    return row(asset, "adjust_position", position_adjustment=_size("decrease", amount, fields))


def orders(asset: str = BTC, **fields: Any) -> AssetDecision:
    return row(asset, "adjust_orders", order_adjustment=fields)


def _size(kind: str, amount: float, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"adjustment_type": kind, "adjustment_amount_usd": amount, **fields}


def seen(**fields: Any) -> AssetFacts:
    return builders.seen(**({"mark": 100, "last": 100, "bid": 100, "ask": 100, "atr_percent": 1} | fields))


def facts(assets: Mapping[str, AssetFacts] | None = None, **fields: Any) -> Facts:
    """Every symbol at 100; `fields` change all of them, `assets` replace some (None as a value takes one away)."""
    every = {symbol: seen(**fields) for symbol in SYMBOLS}
    return builders.facts(every | dict(assets or {}), as_of=NOW)


def without(*symbols: str) -> Facts:
    return builders.facts({symbol: seen() for symbol in SYMBOLS if symbol not in symbols}, as_of=NOW)


def position(
    symbol: str = BTC,
    side: PositionSide = "long",
    quantity: str = "10",
    entry: str = "100",
    leverage: str = "5",
    stop: str | None = "95",
    target: str | None = "120",
) -> PositionView:
    """1 000 of notional with 200 of margin unless told else."""
    margin = D(quantity) * D(entry) / D(leverage)
    levels = (None if stop is None else D(stop), None if target is None else D(target))
    return PositionView(symbol, side, D(quantity), D(entry), D(leverage), margin, *levels)


def account(*positions: PositionView, resting: Mapping[str, Resting | D] | None = None, **fields: Any) -> AccountView:
    """Equity 10 000, all of it available but what the positions hold. `resting` is longs unless told else."""
    waiting = {s: each if isinstance(each, Resting) else Resting(each, "long") for s, each in (resting or {}).items()}
    filled: dict[str, Any] = {
        "account_id": "main",
        "status": "active",
        "trading_state": "active",
        "equity": D(10_000),
        "available": D(10_000) - sum(each.margin for each in positions),
        "positions": {each.symbol: each for each in positions},
        "resting": waiting,
        "last_entry_at": {},
        "day_open_equity": D(10_000),
        "transfers": D(0),
        "version": 1,
    }
    return AccountView(**(filled | fields))


def strategy(**fields: Any) -> TradingStrategy:
    """Wide limits; risk parameters by their own names."""
    risk = {
        "max_risk_per_trade": 5,
        "max_daily_loss": 8,
        "stop_loss_percentage": 2,
        "take_profit_ratio": 2,
        "max_leverage": 20,
        "cooldown_period": 300,
        "max_funding_rate_bps": 10,
        "liquidation_buffer": 0.15,
    }
    own = {name: fields.pop(name) for name in list(fields) if name in risk}
    wide: dict[str, Any] = {
        "strategy_id": "test",
        "timeframe_preference": ("5m", "1h"),
        "margin_pct": 20,
        "order_preference": "taker_accepted",
        "max_exposure_pct": 600,
        "max_asset_share_pct": 100,
        "max_cluster_pct": 600,
    }
    return builders.strategy(risk=risk | own, **(wide | fields))


def venue(symbol: str = BTC, **fields: Any) -> VenueSymbol:
    """One in whose way nothing stands: fine steps, no spread, no slippage."""
    fine = {"tick_size": "0.01", "lot_size": "0.01", "max_quantity": "1000000"}
    return builders.venue(symbol, **(fine | {"half_spread_bps": "0", "slippage_bps": "0"} | fields))


def limits(
    plan: TradingStrategy | None = None, listed: VenueSymbol | None = None, *, leverage: int = 20, size: int = 100_000
) -> Limits:
    """`listed` stands for every symbol."""
    config = builders.account(
        "main", symbols=SYMBOLS, strategy_id="test", max_position_size=D(size), leverage=D(leverage)
    )
    return Limits(plan or strategy(), config, {symbol: listed or venue(symbol) for symbol in SYMBOLS})


def judged(
    *rows: AssetDecision,
    market: Facts | None = None,
    held: AccountView | None = None,
    bounds: Limits | None = None,
    proposed: Facts | None = None,
    now: datetime = NOW,
    expires_at: datetime = LATER,
    total: float | None = None,
) -> Judgement:
    return judge(
        decision(*rows, **({} if total is None else {"total_allocation_usd": total})),
        market or facts(),
        held or account(),
        bounds or limits(),
        now,
        expires_at=expires_at,
        proposed=proposed,
    )


def one(*rows: AssetDecision, **context: Any) -> Verdict:
    """The verdict on the first row."""
    return judged(*rows, **context).verdicts[0]


def reasons(verdict: Verdict) -> list[str]:
    """What was said of it, but for the note that every sized entry gets."""
    return [receipt.reason.value for receipt in verdict.receipts if receipt.effect != "note"]
