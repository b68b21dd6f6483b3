"""`builtin/trend` on tables: when it enters, how it protects, when it leaves, and what it never does."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.context import AssetMarketData, TradingContext
from libs.schemas.decision import AssetDecision, TradingDecision
from services.decider.domain import snapshot, trend
from tests import builders
from tests.fakes.decider_contexts import NOW, PRICES, account, asset, context, position, strategy, warming_up


def decided(made: TradingContext) -> TradingDecision:
    return trend.decide(snapshot.of_context(made))


def one(made: AssetMarketData, **changes: Any) -> AssetDecision:
    return decided(context({made.symbol: made}, account_state=account(**changes))).decisions[0]


BTC = "BTCUSDT"


@pytest.mark.parametrize(
    ("made", "action"),
    [
        (asset(BTC, 1.0), "buy"),
        (asset(BTC, -1.0), "sell"),
        (asset(BTC, 0.1), "hold"),
        (asset(BTC, -0.2), "hold"),
        (asset(BTC, 1.0, long_gap=-0.9), "buy"),
        (asset(BTC, 1.0, long_gap=-1.5), "hold"),
        (asset(BTC, -1.0, long_gap=1.5), "hold"),
        (asset(BTC, 1.0, funding_rate=0.0009), "hold"),
        (asset(BTC, -1.0, funding_rate=0.0009), "sell"),
        (asset(BTC, 1.0, next_funding_time=NOW), "hold"),
    ],
    ids=[
        "uptrend",
        "downtrend",
        "flat above",
        "flat below",
        "long timeframe slightly against it",
        "long timeframe against a long",
        "long timeframe against a short",
        "funding against a long",
        "the same funding for a short",
        "funding is due",
    ],
)
def test_entries_follow_the_trend_where_nothing_speaks_against_it(made: AssetMarketData, action: str) -> None:
    assert one(made).action == action


@pytest.mark.parametrize(("rsi", "action"), [(40, "hold"), (50, "buy"), (70, "buy"), (78, "hold")])
def test_a_long_wants_an_rsi_that_is_neither_weak_nor_stretched(rsi: float, action: str) -> None:
    made = asset(BTC)
    sets = made.technical_indicators
    changed = sets.interval.model_copy(update={"rsi_14": (rsi,) * 10})
    assert one(
        made.model_copy(update={"technical_indicators": sets.model_copy(update={"interval": changed})})
    ).action == (action)


def test_no_indicators_means_hold_and_says_so() -> None:
    made = asset(BTC)
    sets = made.technical_indicators.model_copy(update={"interval": warming_up("1m")})
    held = one(made.model_copy(update={"technical_indicators": sets}))
    assert (held.action, "warming up" in held.rationale) == ("hold", True)


@pytest.mark.parametrize("state", ["reducing", "halted"])
def test_no_entry_unless_trading_is_active(state: str) -> None:
    assert one(asset(BTC), trading_state=state).action == "hold"


@pytest.mark.parametrize(("gap", "sign"), [(1.0, 1), (-1.0, -1)])
@pytest.mark.parametrize(
    ("default_stop", "distance"), [(0.4, 0.004), (0.05, 0.0015)], ids=["the default is wider", "1.5 ATR is wider"]
)
def test_stop_and_target_lie_on_the_right_sides_at_the_right_distances(
    gap: float, sign: int, default_stop: float, distance: float
) -> None:
    got = one(asset(BTC, gap), active_strategy=strategy(risk={"stop_loss_percentage": default_stop}))
    price = PRICES[BTC]
    assert got.sl_price == pytest.approx(price * (1 - sign * distance), rel=1e-6)
    assert got.tp_price is not None
    fees, reward, risk = 0.001, sign * (got.tp_price - price) / price, distance
    assert (reward - fees) / (risk + fees) >= 1.3


def test_without_a_ratio_the_target_is_the_strategys_percentage_or_left_to_the_rules() -> None:
    ladder = strategy(risk={"take_profit_ratio": None}, take_profit_pct=3)
    assert one(asset(BTC), active_strategy=ladder).tp_price == pytest.approx(PRICES[BTC] * 1.03, rel=1e-6)
    bare = strategy(risk={"take_profit_ratio": None})
    assert one(asset(BTC), active_strategy=bare).tp_price is None


@pytest.mark.parametrize(
    ("stop_pct", "account_leverage", "expected"),
    [(0.4, 8, 8), (0.4, 125, 10), (2, 125, 10), (10, 125, 7), (40, 125, 2)],
    ids=["account", "strategy", "strategy again", "liquidation is too near", "liquidation is far too near"],
)
def test_leverage_stays_within_every_limit(stop_pct: float, account_leverage: int, expected: float) -> None:
    got = one(
        asset(BTC),
        active_strategy=strategy(risk={"stop_loss_percentage": stop_pct}),
        leverage=Decimal(account_leverage),
    )
    assert got.leverage == expected


@pytest.mark.parametrize(
    ("side", "gap", "action"),
    [
        ("long", 1.0, "hold"),
        ("long", -0.1, "hold"),
        ("long", -0.5, "close_position"),
        ("short", -1.0, "hold"),
        ("short", 0.1, "hold"),
        ("short", 0.5, "close_position"),
    ],
)
def test_a_position_is_closed_when_its_trend_has_flipped_and_only_then(side: str, gap: float, action: str) -> None:
    assert one(asset(BTC, gap), open_positions=(position(BTC, side),)).action == action


@pytest.mark.parametrize("state", ["active", "reducing", "halted"])
def test_exits_are_never_held_back_by_the_trading_state(state: str) -> None:
    got = one(asset(BTC, -1.0), open_positions=(position(BTC),), trading_state=state)
    assert got.action == "close_position"


def test_entries_take_the_free_places_surest_first() -> None:
    gaps = {"BTCUSDT": 0.5, "ETHUSDT": 2.0, "SOLUSDT": 1.5, "BNBUSDT": 1.0, "XRPUSDT": 0.4}
    rows = decided(context({symbol: asset(symbol, gap) for symbol, gap in gaps.items()})).decisions
    assert {row.asset for row in rows if row.action == "buy"} == {"ETHUSDT", "SOLUSDT", "BNBUSDT"}
    surest = sorted((row for row in rows if row.action == "buy"), key=lambda row: -(row.confidence or 0))
    assert [row.asset for row in surest] == ["ETHUSDT", "SOLUSDT", "BNBUSDT"]
    assert [row.allocation_usd for row in surest] == sorted((row.allocation_usd for row in surest), reverse=True)


@pytest.mark.parametrize("gap", [2.0, 0.4, 0.0, -0.4, -2.0])
@pytest.mark.parametrize("held", [None, "long", "short"])
def test_a_confidence_is_said_of_entries_alone(gap: float, held: Any) -> None:
    positions = () if held is None else (position(BTC, held),)
    got = one(asset(BTC, gap), open_positions=positions)
    assert (got.confidence is not None) == (got.action in ("buy", "sell"))


def test_positions_and_resting_entries_hold_places() -> None:
    resting = builders.open_order("ETHUSDT", price=Decimal(1800), created_at=NOW)
    made = context(account_state=account(open_positions=(position("BTCUSDT"),), open_orders=(resting,)))
    actions = {row.asset: row.action for row in decided(made).decisions}
    assert actions["ETHUSDT"] == "hold"
    assert sum(action == "buy" for action in actions.values()) == 1


def test_allocations_fit_into_what_is_available() -> None:
    made = decided(context(account_state=account(available_balance=Decimal(300))))
    assert 0 < made.total_allocation_usd <= 270
    assert made.total_allocation_usd == pytest.approx(sum(row.allocation_usd for row in made.decisions))


def test_an_asset_without_market_data_is_held_and_a_stale_one_is_not_entered() -> None:
    made = context({BTC: asset(BTC)}, symbols=(BTC, "ETHUSDT"), missing_symbols=("ETHUSDT",), degraded=(BTC,))
    assert [(row.asset, row.action) for row in decided(made).decisions] == [(BTC, "hold"), ("ETHUSDT", "hold")]


def test_it_says_why_and_never_claims_to_be_a_language_model() -> None:
    made = decided(context({"BTCUSDT": asset("BTCUSDT", -1), "ETHUSDT": asset("ETHUSDT", 0.1)}))
    text = made.model_dump_json().lower()
    assert all(row.rationale and row.exit_plan for row in made.decisions)
    assert made.decisions[0].invalidation == "1m EMA 20 crosses above EMA 50"
    assert not any(word in text for word in ("language model", "i think", "as an ai"))
    assert made.portfolio_rationale.startswith("Trend rules")


MARKETS = st.fixed_dictionaries({symbol: st.floats(-6, 6).filter(lambda gap: gap != 0) for symbol in PRICES})


@given(
    gaps=MARKETS,
    held=st.dictionaries(st.sampled_from(sorted(PRICES)), st.sampled_from(["long", "short"]), max_size=3),
    stop=st.floats(0, 50),
    available=st.decimals(0, 20_000, places=2),
    buffer=st.floats(0, 1),
    ratio=st.none() | st.floats(1, 20),
)
def test_every_market_gives_a_sound_decision(
    gaps: Mapping[str, float],
    held: Mapping[str, str],
    stop: float,
    available: Decimal,
    buffer: float,
    ratio: float | None,
) -> None:
    risk = {"stop_loss_percentage": stop, "liquidation_buffer": buffer, "take_profit_ratio": ratio}
    limits = strategy(risk=risk, take_profit_pct=5)
    state = account(
        active_strategy=limits,
        available_balance=available,
        open_positions=tuple(position(symbol, side) for symbol, side in held.items()),
    )
    made = decided(context({symbol: asset(symbol, gap) for symbol, gap in gaps.items()}, account_state=state))
    assert [row.asset for row in made.decisions] == list(gaps)
    assert made == TradingDecision.model_validate_json(made.model_dump_json())
    for row in made.decisions:
        _sound(row, held, float(available))
    assert sum(row.action in ("buy", "sell") for row in made.decisions) + len(held) <= max(3, len(held))


def _sound(row: AssetDecision, held: Mapping[str, str], available: float) -> None:
    if row.action == "close_position":
        assert row.asset in held
    elif row.action != "hold":
        assert row.asset not in held
        sign = 1 if row.action == "buy" else -1
        assert row.sl_price is not None
        assert row.tp_price is not None
        assert sign * (PRICES[row.asset] - row.sl_price) > 0
        assert sign * (row.tp_price - PRICES[row.asset]) > 0
        assert 0 <= row.allocation_usd <= available
        assert row.leverage is not None
        assert 1 <= row.leverage <= 8
