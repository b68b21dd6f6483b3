"""Whole scenes to judge, by hypothesis: markets, accounts with positions and resting entries, limits, decisions."""

from dataclasses import dataclass
from decimal import Decimal as D
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from libs.risk import AccountView, Judgement, Limits, PositionView, Resting, judge
from libs.schemas.account import PositionSide
from libs.schemas.decision import Action, AssetDecision, Facts, pair_key
from libs.schemas.strategy import Ladder
from libs.schemas.venue import MarginTier
from tests.builders import decision
from tests.unit.risk.samples import (
    LATER,
    NOW,
    SYMBOLS,
    account,
    decrease,
    facts,
    increase,
    limits,
    orders,
    row,
    seen,
    strategy,
    venue,
)

TIERS = tuple(
    MarginTier(floor=D(floor), mmr=D(mmr), max_leverage=D(most))
    for floor, mmr, most in ((0, ".004", 50), (5_000, ".01", 20), (20_000, ".05", 5))
)
T = TypeVar("T")
SIDES: st.SearchStrategy[PositionSide] = st.sampled_from(["long", "short"])
ACTIONS: st.SearchStrategy[Action] = st.sampled_from(["buy", "sell"])
MARKS = st.floats(50, 150).map(lambda price: round(price, 2))
PAIRS = [(one, other) for one in SYMBOLS for other in SYMBOLS if one < other]


@dataclass(frozen=True, slots=True)
class Scene:
    """One row per symbol of a decision, and everything that it is judged on."""

    rows: tuple[AssetDecision, ...]
    market: Facts
    view: AccountView
    bounds: Limits

    def judged(self, *rows: AssetDecision) -> Judgement:
        return judge(decision(*(rows or self.rows)), self.market, self.view, self.bounds, NOW, expires_at=LATER)

    def mark(self, symbol: str) -> D:
        return D(repr(self.market.assets[symbol].mark))


# Strategies are values and made once: hypothesis works out anew what it must know of each that it has not seen.
@cache
def number(low: float, high: float, places: int = 1) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda value: round(value, places))


@cache
def maybe(low: float, high: float) -> st.SearchStrategy[float | None]:
    return st.none() | number(low, high)


@cache
def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@cache
def either(*values: T) -> st.SearchStrategy[T]:
    return st.sampled_from(values)


ALLOCATIONS = number(5, 8_000) | number(50, 500) | st.just(1e9)
CHANGED = number(1, 5_000) | st.just(1e6)
LADDERS = either(None, Ladder(rungs=3, step_pct=0.2))
ORDERS = st.permutations(SYMBOLS)


def entry(draw: st.DrawFn, asset: str, mark: float) -> AssetDecision:
    action = draw(ACTIONS)
    away = 1 if action == "buy" else -1
    stop = draw(maybe(0.2, 20))
    target = draw(maybe(1, 45))
    return row(
        asset,
        action,
        allocation_usd=draw(ALLOCATIONS),
        leverage=draw(maybe(1, 60)),
        sl_price=None if stop is None else mark * (1 - away * stop / 100),
        tp_price=None if target is None else mark * (1 + away * target / 100),
        limit_price=draw(maybe(50, 150)) if draw(st.booleans()) else None,
        confidence=draw(whole(0, 3)),
    )


def change(draw: st.DrawFn, held: PositionView) -> AssetDecision:
    """What may be asked of an open position; each of them structurally sound."""
    symbol, size = held.symbol, draw(CHANGED)
    match draw(either("close", "increase", "decrease", "safer", "cancel")):
        case "close":
            return row(symbol, "close_position")
        case "increase":
            return increase(symbol, size).model_copy(update={"confidence": draw(whole(0, 3))})
        case "decrease":
            return decrease(symbol, size)
        case "safer":
            return orders(symbol, adjust_sl=True, new_sl_price=float(held.stop or 0))
        case _:
            return orders(symbol, cancel_tp=True)


def position(draw: st.DrawFn, symbol: str, mark: float) -> PositionView:
    side, quantity = draw(SIDES), D(draw(whole(1, 500))) / 100
    entry, leverage = D(repr(mark)) * D(draw(whole(90, 110))) / 100, D(draw(whole(1, 20)))
    away = D(draw(whole(1, 15))) / 100 * (1 if side == "long" else -1)
    stop = round(D(repr(mark)) * (1 - away), 2)
    return PositionView(symbol, side, quantity, entry, leverage, quantity * entry / leverage, stop, None)


def limit_set(draw: st.DrawFn) -> Limits:
    plan = strategy(
        max_risk_per_trade=draw(either(0.25, 1, 3, 6)),
        max_daily_loss=20,
        stop_loss_percentage=draw(number(0.2, 6)),
        take_profit_ratio=draw(either(None, 1.5)),
        max_leverage=draw(whole(1, 50)),
        liquidation_buffer=draw(number(0, 0.6, 2)),
        max_positions=draw(whole(2, 5)),
        position_sizing=draw(either("fixed", "percentage", "volatility_adjusted", "kelly")),
        fixed_margin_usd=draw(number(10, 2_000)),
        margin_pct=draw(number(1, 40)),
        order_preference=draw(either("maker_only", "maker_preferred", "taker_accepted", "any")),
        ladder=draw(LADDERS),
        max_exposure_pct=draw(either(20, 100, 300, 600)),
        max_asset_share_pct=draw(number(20, 100)),
        max_cluster_pct=draw(either(20, 100, 600)),
    )
    listed = venue(half_spread_bps="2", slippage_bps="3", tiers=TIERS)
    return limits(plan, listed, leverage=draw(whole(1, 50)), size=draw(either(500, 3_000, 30_000)))


def market(draw: st.DrawFn, marks: dict[str, float]) -> Facts:
    assets = {symbol: seen(mark=mark, last=mark, bid=None, ask=None) for symbol, mark in marks.items()}
    known = {pair_key(*pair): draw(st.booleans()) for pair in PAIRS if draw(st.booleans())}
    return facts(assets).model_copy(update={"correlated": known})


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    marks = {symbol: draw(MARKS) for symbol in SYMBOLS}
    held = {s: position(draw, s, marks[s]) for s in SYMBOLS if draw(either(False, False, True))}
    rows = [
        entry(draw, symbol, marks[symbol])
        if draw(st.booleans())
        else change(draw, held[symbol])
        if symbol in held
        else row(symbol, "hold")
        for symbol in draw(ORDERS)
    ]
    resting = {
        symbol: Resting(D(draw(whole(1, 3_000))), draw(either("long", "short", None)))
        for symbol in SYMBOLS
        if draw(whole(0, 4)) == 0
    }
    returns = tuple(D(draw(whole(-20, 30))) / 1000 for _ in range(draw(either(0, 30))))
    view = account(
        *held.values(),
        equity=D(draw(either(-100, 500, 5_000, 20_000))),
        available=D(draw(either(-100, 300, 1_500, 15_000))),
        resting=resting,
        day_open_equity=D(draw(either(1, 1, 1, 10_000))),
        returns={"test": returns},
    )
    return Scene(tuple(rows), market(draw, marks), view, limit_set(draw))
