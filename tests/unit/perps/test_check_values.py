"""The design's check values (05-venue.md)."""

from decimal import Decimal as D

import pytest

from libs.perps.entry import add_to, reduce
from libs.perps.fees import fee
from libs.perps.filters import round_passive, round_price, round_stop, round_target, triggered, truncate
from libs.perps.funding import payment
from libs.perps.margin import (
    bankruptcy_price,
    cross_wallet,
    initial_margin,
    liquidatable,
    liquidation_price,
    maintenance_margin,
    margin_balance,
    order_cost,
    unrealized_pnl,
)
from libs.perps.sides import closing, opened_by, opening
from libs.perps.slippage import Depth, impact
from libs.perps.tiers import Tier, build_tiers, max_notional, tier_for
from libs.schemas.venue import MarginTier

BTC = build_tiers(
    tuple(
        MarginTier(floor=D(floor), mmr=D(mmr), max_leverage=D(leverage))
        for floor, mmr, leverage in (
            (0, "0.004", 150),
            (300_000, "0.005", 100),
            (800_000, "0.0065", 75),
            (3_000_000, "0.01", 50),
            (12_000_000, "0.02", 25),
            (70_000_000, "0.025", 20),
            (100_000_000, "0.05", 10),
        )
    )
)
CLOSE = D("1e-10")


def near(value: D | None, expected: str, within: D = CLOSE) -> bool:
    return value is not None and abs(value - D(expected)) <= within


def test_cum_of_the_btc_tiers() -> None:
    assert [tier.cum for tier in BTC] == [0, 300, 1_500, 12_000, 132_000, 482_000, 2_982_000]


@pytest.mark.parametrize(
    ("notional", "floor"),
    [("0", 0), ("299999.99", 0), ("300000", 300_000), ("11999999", 3_000_000), ("9e9", 100_000_000)],
)
def test_a_tier_begins_at_its_floor(notional: str, floor: int) -> None:
    assert tier_for(BTC, D(notional)).floor == floor


@pytest.mark.parametrize(("leverage", "bound"), [(150, 300_000), (100, 800_000), (10, None), (21, 70_000_000)])
def test_leverage_bounds_the_notional(leverage: int, bound: int | None) -> None:
    assert max_notional(BTC, D(leverage)) == bound


@pytest.mark.parametrize(
    ("qty", "entry", "wallet", "mmr", "cum", "expected"),
    [
        ("3683.979", "1456.84", "1535443.01", ".10", "135365", "1114.78"),
        ("109.488", "32481.98", "1535443.01", ".025", "16300", "18778.73"),
    ],
)
def test_liquidation_price_of_the_venues_examples(
    qty: str, entry: str, wallet: str, mmr: str, cum: str, expected: str
) -> None:
    tiers = (Tier(D(0), D(mmr), D(10), D(cum)),)
    assert near(liquidation_price("long", D(qty), D(entry), D(wallet), tiers), expected, D("0.005"))


def test_half_a_bitcoin_at_twenty_times() -> None:
    margin = initial_margin(D(".5"), D(60_000), D(20))
    assert margin == 1_500
    assert near(liquidation_price("long", D(".5"), D(60_000), margin, BTC), "57228.9156626506")
    assert near(liquidation_price("short", D(".5"), D(60_000), margin, BTC), "62749.0039840637")
    assert bankruptcy_price("long", D(".5"), D(60_000), margin) == 57_000
    assert bankruptcy_price("short", D(".5"), D(60_000), margin) == 63_000


def test_ten_bitcoins_at_twenty_times_are_liquidated_in_the_second_tier() -> None:
    margin = initial_margin(D(10), D(60_000), D(20))
    price = liquidation_price("long", D(10), D(60_000), margin, BTC)
    assert margin == 30_000
    assert price is not None
    assert near(price, "57256.2814070352")
    assert near(margin_balance("long", D(10), D(60_000), margin, price), "2562.8140703518")
    assert near(maintenance_margin(D(10), price, BTC), "2562.8140703518")


def test_the_tier_is_that_of_the_notional_at_the_liquidation_price_not_at_entry() -> None:
    price = liquidation_price("long", D("5.2"), D(60_000), D("31200"), BTC)  # 312 000 at entry, below 300 000 there
    assert near(price, str((D("31200") - D("5.2") * 60_000) / (D("5.2") * (D(".004") - 1))))


def test_a_cross_position_lives_on_the_wallet_less_what_the_others_need_and_lose() -> None:
    wallet = cross_wallet(D(10_000), D("120.5"), D(-880))
    assert wallet == D("8999.5")
    price = liquidation_price("long", D(".5"), D(60_000), wallet, BTC)
    assert near(price, str((D("8999.5") - 30_000) / (D(".5") * (D(".004") - 1))))
    assert near(bankruptcy_price("long", D(".5"), D(60_000), D(10_000) - 880), "41760")


def test_a_short_that_no_price_can_save_has_no_liquidation_price() -> None:
    assert liquidation_price("short", D(1), D(100), D(-200), BTC) is None
    assert liquidatable("short", D(1), D(100), D(-200), D("0.01"), BTC)


@pytest.mark.parametrize(
    ("quantity", "volume", "expected"),
    [("1", None, "0"), ("1", "100", "1"), ("1", "1", "10"), ("4", "1", "20"), ("1", "0", "100")],
    ids=["no volume known", "a hundredth", "all of it", "four times", "nothing traded"],
)
def test_impact_grows_with_the_root_of_the_share_of_the_volume(
    quantity: str, volume: str | None, expected: str
) -> None:
    assert impact(D(quantity), Depth(minute_volume=D(volume) if volume else None), D(10)) == D(expected)


def test_a_fully_covered_long_has_no_liquidation_price() -> None:
    assert liquidation_price("long", D(1), D(100), D(100), BTC) is None
    assert not liquidatable("long", D(1), D(100), D(100), D("0.01"), BTC)


@pytest.mark.parametrize(("mark", "expected"), [("57228.92", False), ("57228.91", True)])
def test_a_position_is_liquidatable_at_and_beyond_its_price(mark: str, expected: bool) -> None:
    assert liquidatable("long", D(".5"), D(60_000), D(1_500), D(mark), BTC) is expected


def test_funding_is_paid_by_longs_when_the_rate_is_positive() -> None:
    assert payment("long", D(".5"), D("61234.5"), D(".0001")) == D("-3.061725")
    assert payment("short", D(".5"), D("61234.5"), D(".0001")) == D("3.061725")


def test_adding_averages_the_entry() -> None:
    assert add_to(D(1), D(100), D(3), D(200)) == (D(4), D(175))
    assert reduce("short", D(2), D(100), D(90)) == 20


@pytest.mark.parametrize(
    ("mark", "rising", "fires"),
    [
        ("2000.048914224", True, False),
        ("2000.05000001", True, True),
        ("2000.05000001", False, True),
        ("2000.06", False, False),
    ],
)
def test_the_mark_is_cut_to_the_tick_before_it_triggers(mark: str, rising: bool, fires: bool) -> None:
    assert triggered(D(mark), D("2000.05"), D(".01"), rising=rising) is fires


def test_rounding() -> None:
    assert truncate(D("2.9999"), D(".005")) == D("2.995")
    assert round_stop(D("234.43"), D(".5"), "long") == D("234.5")
    assert round_stop(D("234.43"), D(".5"), "short") == D("234.0")
    assert round_target(D("234.43"), D(".5"), "long") == D("234.0")
    assert round_passive(D("234.43"), D(".5"), "short") == D("234.5")
    assert round_price(D("0.003"), D(".01"), up=False) == D(".01")
    assert round_price(D("234.5"), D(".5"), up=True) == D("234.5")


def test_order_cost_adds_the_loss_that_the_order_opens_with() -> None:
    assert order_cost("long", D(2), D(110), D(100), D(10)) == 22 + 20
    assert order_cost("long", D(2), D(90), D(100), D(10)) == 18
    assert order_cost("short", D(2), D(90), D(100), D(10)) == 18 + 20


def test_fees_are_basis_points_of_the_notional() -> None:
    assert fee(D(".5"), D(60_000), D(5)) == 15


def test_sides() -> None:
    assert (opened_by("sell"), opening("short"), closing("long")) == (
        "short",
        "sell",
        "sell",
    )
    assert unrealized_pnl("short", D(2), D(100), D(90)) == 20
