"""Liquidations on the venue: 05's check values, isolated and cross, what they cost and what is left."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from libs.schemas.account import MarginMode
from libs.schemas.market import FundingUpdate
from libs.schemas.venue import MarginTier
from services.executor.domain.book import AccountBook, available
from services.executor.domain.changes import PositionChange, Turn
from services.executor.domain.liquidation import fund
from services.executor.domain.margins import free
from tests.fakes.executor_values import NOW, SYMBOL, account, book, instruction, market, quote
from tests.unit.executor.paper import kinds, submitted, ticked

TIERS = tuple(
    MarginTier(floor=D(floor), mmr=D(mmr), max_leverage=D(leverage))
    for floor, mmr, leverage in ((0, "0.004", 150), (300_000, "0.005", 100), (800_000, "0.0065", 75))
)
FREE_OF_COST: dict[str, Any] = {
    "tiers": TIERS,
    "half_spread_bps": D(0),
    "slippage_bps": D(0),
    "taker_fee_bps": D(0),
    "liquidation_fee_bps": D(0),
}
OTHER = "ETHUSDT"


def held(mode: MarginMode = "isolated", balance: int = 100_000) -> AccountBook:
    return replace(book(), wallet=D(balance), margin_mode=mode)


def opened(
    side: str, quantity: str, leverage: int, *, mode: MarginMode = "isolated", balance: int = 100_000, **over: Any
) -> Turn:
    final = instruction(side, quantity=D(quantity), leverage=D(leverage), stop=None, target=None)
    return submitted(held(mode, balance), final, quote(60_000), **{**FREE_OF_COST, **over})


@pytest.mark.parametrize(
    ("side", "quantity", "price"),
    [("buy", "0.5", "57228.9156626506"), ("sell", "0.5", "62749.0039840637"), ("buy", "10", "57256.2814070352")],
    ids=["long", "short", "long in the second tier"],
)
def test_the_venue_liquidates_at_the_designs_prices_and_not_before(side: str, quantity: str, price: str) -> None:
    turn = opened(side, quantity, 20)
    position = turn.book.positions[SYMBOL].position
    assert position.liquidation_price is not None
    assert abs(position.liquidation_price - D(price)) < D("1e-9")
    step = D("0.1") if side == "buy" else D("-0.1")
    before = ticked(turn, quote(float(D(price).quantize(D("0.1")) + step), seconds=1), **FREE_OF_COST)
    assert SYMBOL in before.book.positions
    after = ticked(turn, quote(float(D(price).quantize(D("0.1")) - step), seconds=1), **FREE_OF_COST)
    assert kinds(after)[-1] == "liquidated"


@pytest.mark.parametrize(
    ("side", "mark", "bankrupt"), [("buy", 50_000.0, "57000"), ("sell", 70_000.0, "63000")], ids=["long", "short"]
)
def test_beyond_bankruptcy_the_margin_is_gone_and_the_venue_bears_the_rest(
    side: str, mark: float, bankrupt: str
) -> None:
    turn = opened(side, "0.5", 20)
    after = ticked(turn, quote(mark, seconds=1), **{**FREE_OF_COST, "liquidation_fee_bps": D(125)})
    assert after.book.wallet == 100_000 - 1_500
    clearance = D("0.5") * D(str(mark)) * D("0.0125")
    assert after.book.insolvency == D("0.5") * abs(D(bankrupt) - D(str(mark))) + clearance
    assert after.book.unpaid_clearance == clearance, "nothing of the margin is left for the fee"


def test_the_clearance_fee_comes_out_of_what_the_margin_has_left() -> None:
    after = ticked(
        opened("buy", "0.5", 20), quote(57_200, seconds=1), **{**FREE_OF_COST, "liquidation_fee_bps": D(125)}
    )
    assert after.book.wallet == 100_000 - 1_500, "125 bps of 28 600 are more than the 100 that are left"
    cheap = ticked(opened("buy", "0.5", 20), quote(57_200, seconds=1), **{**FREE_OF_COST, "liquidation_fee_bps": D(10)})
    assert cheap.book.wallet == 100_000 - 1_400 - D("28.6")


def test_a_cross_position_lives_on_the_whole_account() -> None:
    turn = opened("buy", "0.5", 20, mode="cross", balance=10_000)
    price = turn.book.positions[SYMBOL].position.liquidation_price
    assert price is not None
    assert abs(price - (D(10_000) - D(30_000)) / (D("0.5") * (D("0.004") - 1))) < D("1e-9")
    assert SYMBOL in ticked(turn, quote(45_000, seconds=1), **FREE_OF_COST).book.positions
    after = ticked(turn, quote(40_100, seconds=1), **FREE_OF_COST)
    assert kinds(after)[-1] == "liquidated"
    assert after.book.wallet == 50


def two(balance: int) -> Turn:
    """Long 0.5 BTC and long 2 ETH of one cross account."""
    first = opened("buy", "0.5", 20, mode="cross", balance=balance)
    final = instruction(asset=OTHER, quantity=D(2), leverage=D(20), stop=None, target=None)
    return submitted(first.book, final, quote(3_000, symbol=OTHER), quote(60_000), decision="dec-2", **FREE_OF_COST)


def test_another_positions_loss_brings_the_liquidation_of_a_cross_position_nearer() -> None:
    turn = two(10_000)
    alone = opened("buy", "0.5", 20, mode="cross", balance=10_000).book.positions[SYMBOL].position.liquidation_price
    beside = turn.book.positions[SYMBOL].position.liquidation_price
    assert alone is not None
    assert beside is not None
    assert beside > alone


def test_a_cross_account_loses_its_largest_position_first_and_keeps_what_it_can() -> None:
    turn = two(10_000)
    at = quote(40_050, seconds=1)
    after = ticked(turn, at, quote(3_000, symbol=OTHER, seconds=1), **FREE_OF_COST)
    assert set(after.book.positions) == {OTHER}
    assert after.book.wallet == 25
    crash = ticked(turn, quote(30_000, seconds=1), quote(3_000, symbol=OTHER, seconds=1), **FREE_OF_COST)
    assert crash.book.wallet == 0
    assert crash.book.insolvency > 0
    assert not crash.book.positions


def test_what_a_cross_account_may_use_shrinks_with_its_open_loss() -> None:
    turn = opened("buy", "0.5", 20, mode="cross", balance=10_000)
    assert free(turn.book, market(quote(60_000))) == available(turn.book) == 8_500
    assert free(turn.book, market(quote(59_000))) == 8_000
    assert free(turn.book, market(quote(70_000))) == 8_500


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_funding_that_eats_the_wallet_brings_the_liquidation_nearer(mode: MarginMode) -> None:
    turn = opened("buy", "0.5", 20, mode=mode, balance=1_510)
    before = turn.book.positions[SYMBOL].position.liquidation_price
    update = FundingUpdate(symbol=SYMBOL, funding_time=NOW, rate=0.01, mark_price=60_000)
    paid = fund(Turn(turn.book), update, market(quote(60_000), **FREE_OF_COST))
    after = paid.book.positions[SYMBOL].position.liquidation_price
    assert [c.funding for c in paid.changes if isinstance(c, PositionChange)] == [-300]
    assert before is not None
    assert after is not None
    assert after > before


def test_the_mode_is_a_setting_of_the_account() -> None:
    assert account(margin_mode="cross").margin_mode == book(margin_mode="cross").margin_mode == "cross"
