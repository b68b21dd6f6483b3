"""What must hold for any numbers."""

from decimal import Decimal as D
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from libs.perps.filters import round_passive, round_price, round_stop, round_target, truncate
from libs.perps.margin import (
    bankruptcy_price,
    cross_wallet,
    initial_margin,
    liquidation_price,
    maintenance_margin,
    margin_balance,
    unrealized_pnl,
)
from libs.perps.tiers import Tier, build_tiers, tier_at, tier_for
from libs.schemas.account import PositionSide
from libs.schemas.venue import MarginTier

PRICES = st.decimals(min_value="0.01", max_value="200000", places=4)
QUANTITIES = st.decimals(min_value="0.001", max_value="5000", places=3)
LEVERAGES = st.decimals(min_value=1, max_value=125, places=1)
STEPS = st.sampled_from([D("0.001"), D("0.005"), D("0.01"), D("0.1"), D("0.5"), D(1), D(5)])
SIDES: st.SearchStrategy[PositionSide] = st.sampled_from(["long", "short"])


@st.composite
def wire_tiers(draw: st.DrawFn) -> tuple[MarginTier, ...]:
    floors = sorted(draw(st.sets(st.integers(1, 10**8), max_size=8)))
    rates = sorted(draw(st.lists(st.integers(1, 400), min_size=len(floors) + 1, max_size=len(floors) + 1)))
    return tuple(
        MarginTier(floor=D(floor), mmr=D(rate) / 1000, max_leverage=D(10))
        for floor, rate in zip([0, *floors], rates, strict=True)
    )


def tier_tables() -> st.SearchStrategy[tuple[Tier, ...]]:
    return wire_tiers().map(build_tiers)


@given(wire_tiers(), st.decimals(min_value=0, max_value=10**9, places=2))
def test_the_tier_at_a_notional_is_the_same_built_alone(tiers: tuple[MarginTier, ...], notional: D) -> None:
    assert tier_at(tiers, notional) == tier_for(build_tiers(tiers), notional)


@given(tier_tables())
def test_maintenance_margin_is_continuous_where_tiers_meet(tiers: tuple[Tier, ...]) -> None:
    for below, above in pairwise(tiers):
        assert above.floor * below.mmr - below.cum == above.floor * above.mmr - above.cum


@given(tier_tables(), PRICES, QUANTITIES)
def test_maintenance_margin_is_never_negative(tiers: tuple[Tier, ...], mark: D, qty: D) -> None:
    assert maintenance_margin(qty, mark, tiers) >= 0


@given(SIDES, QUANTITIES, PRICES, LEVERAGES, tier_tables())
def test_margin_balance_equals_maintenance_margin_at_the_liquidation_price(
    side: PositionSide, qty: D, entry: D, leverage: D, tiers: tuple[Tier, ...]
) -> None:
    wallet = initial_margin(qty, entry, leverage)
    price = liquidation_price(side, qty, entry, wallet, tiers)
    if price is None:
        assert side == "long"
        assert wallet >= qty * entry
        return
    gap = margin_balance(side, qty, entry, wallet, price) - maintenance_margin(qty, price, tiers)
    assert abs(gap) <= D("1e-9")
    assert tier_for(tiers, qty * price).floor <= qty * price


MONEY = st.decimals(min_value=-(10**6), max_value=10**7, places=2)


@given(SIDES, QUANTITIES, PRICES, st.decimals(min_value=0, max_value=10**7, places=2), MONEY, tier_tables())
def test_a_cross_account_has_just_its_maintenance_margin_at_the_liquidation_price(
    side: PositionSide, qty: D, entry: D, wallet: D, others_pnl: D, tiers: tuple[Tier, ...]
) -> None:
    others = wallet / 100
    price = liquidation_price(side, qty, entry, cross_wallet(wallet, others, others_pnl), tiers)
    if price is None:
        return
    balance = wallet + others_pnl + unrealized_pnl(side, qty, entry, price)
    assert abs(balance - others - maintenance_margin(qty, price, tiers)) <= D("1e-9")


@given(SIDES, QUANTITIES, PRICES, PRICES, STEPS)
def test_rounding_an_order_never_increases_its_risk(side: PositionSide, qty: D, price: D, away: D, step: D) -> None:
    cut = truncate(qty, step)
    limit = round_passive(price, step, side)
    stop = price - away if side == "long" else price + away
    if stop <= step or limit <= step:
        return
    rounded = round_stop(stop, step, side)
    s = 1 if side == "long" else -1
    assert cut * s * (limit - rounded) <= qty * s * (price - stop)


@given(SIDES, QUANTITIES, PRICES, LEVERAGES, tier_tables())
def test_liquidation_comes_before_bankruptcy(
    side: PositionSide, qty: D, entry: D, leverage: D, tiers: tuple[Tier, ...]
) -> None:
    wallet = initial_margin(qty, entry, leverage)
    price = liquidation_price(side, qty, entry, wallet, tiers)
    if price is not None:
        ahead = price - bankruptcy_price(side, qty, entry, wallet)
        assert ahead >= D("-1e-9") if side == "long" else ahead <= D("1e-9")


@given(QUANTITIES, STEPS)
def test_truncating_never_grows_and_lands_on_the_step(value: D, step: D) -> None:
    cut = truncate(value, step)
    assert cut <= value < cut + step
    assert cut % step == 0
    assert truncate(cut, step) == cut


@given(SIDES, PRICES, STEPS)
def test_a_rounded_stop_is_never_further_from_the_price(side: PositionSide, price: D, tick: D) -> None:
    stop = round_stop(price, tick, side)
    assert stop >= price if side == "long" else stop <= price or stop == tick
    assert stop % tick == 0
    assert round_stop(stop, tick, side) == stop


@given(SIDES, PRICES, STEPS)
def test_a_rounded_target_is_never_reached_later(side: PositionSide, price: D, tick: D) -> None:
    target = round_target(price, tick, side)
    assert target >= price if side == "short" else target <= price or target == tick


@given(PRICES, STEPS, st.booleans())
def test_rounded_prices_are_positive_and_within_a_tick(price: D, tick: D, up: bool) -> None:
    rounded = round_price(price, tick, up=up)
    assert rounded >= tick
    assert abs(rounded - price) < tick or rounded == tick
