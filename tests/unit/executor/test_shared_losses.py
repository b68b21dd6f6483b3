"""What a liquidation books: no exit better than what traded, and what cannot be paid shared as it was lost."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from libs.perps.fees import fee
from libs.schemas.account import MarginMode
from libs.schemas.market import FundingUpdate
from services.executor.domain.book import AccountBook, equity
from services.executor.domain.changes import OrderChange, PositionChange, Turn
from services.executor.domain.liquidation import fund
from services.executor.domain.margins import following
from services.executor.domain.quote import Quote
from tests.fakes.executor_values import NOW, book, instruction, market, quote
from tests.unit.executor.paper import submitted, ticked

AT_THE_MARKET: dict[str, Any] = {
    "half_spread_bps": D(0),
    "slippage_bps": D(0),
    "impact_bps": D(0),
    "lot_size": D("0.1"),
}
NAMES = ("AUSDT", "BUSDT", "CUSDT", "EUSDT", "FUSDT")
Leg = tuple[str, str, int, int]  # side, quantity, price, leverage


def opened(wallet: int, *legs: Leg, mode: MarginMode = "cross", **rules: Any) -> AccountBook:
    """One position for each leg, without stops: nothing but a liquidation ends them."""
    held = replace(book(margin_mode=mode), wallet=D(wallet), initial_balance=D(wallet))
    quotes = [quote(leg[2], symbol=name) for name, leg in zip(NAMES, legs, strict=False)]
    for n, (name, (side, quantity, price, leverage)) in enumerate(zip(NAMES, legs, strict=False)):
        final = instruction(
            side, asset=name, quantity=D(quantity), leverage=D(leverage), entry=D(price), stop=None, target=None
        )
        held = submitted(held, final, *quotes, decision=f"dec-{n}", **{**AT_THE_MARKET, **rules}).book
    return held


def crashed(held: AccountBook, *marks: float, **rules: Any) -> tuple[Turn, list[Quote]]:
    """What the ticks do that show every symbol at its mark."""
    quotes = [quote(mark, symbol=name, seconds=1) for name, mark in zip(NAMES, marks, strict=False)]
    turn = Turn(held)
    for n, tick in enumerate(quotes):
        turn = turn.join(ticked(turn, tick, *quotes[:n], *quotes[n + 1 :], **{**AT_THE_MARKET, **rules}))
    return turn, quotes


FIVE: tuple[Leg, ...] = (("buy", "100", 100, 10),) * 5


def test_v1_a_loss_that_five_cross_positions_share() -> None:
    turn, _ = crashed(opened(10_000, *FIVE), *(50.0,) * 5)
    after = turn.book
    assert after.wallet == 0
    assert not after.positions
    assert after.insolvency - after.unpaid_clearance == 15_025
    assert after.unpaid_clearance == fee(D(500), D(50), D(125))
    assert [t.exit_price for t in after.closed_trades] == [50] * 5
    assert [t.pnl for t in after.closed_trades] == [-2_000] * 5, "what the account lost, in equal parts"
    assert after.performance.win_rate == 0
    assert after.performance.total_pnl == -10_000


@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize(
    ("wallet", "legs", "marks"),
    [
        (12_000, FIVE, (44, 44, 44, 44, 44)),
        (14_050, FIVE, (55, 61, 72, 80, 93)),
        (2_000, (("buy", "100", 100, 10), ("sell", "60", 100, 10)), (40, 40)),
        (3_000, (("buy", "200", 100, 10), ("buy", "10", 100, 10)), (80, 120)),
        (7_000, (("buy", "600", 80, 20), ("sell", "400", 100, 20), ("buy", "30", 100, 5)), (1, 250, 99)),
        (1_100, (("sell", "100", 100, 10),), (113,)),
    ],
    ids=[
        "V1: five at one price, of another wallet",
        "five at five prices",
        "two sides of one crash",
        "a small profit beside a large loss",
        "LUNA in May 2022: to nothing",
        "alone",
    ],
)
def test_no_exit_is_better_than_the_market_and_nothing_is_invented(
    mode: MarginMode, wallet: int, legs: tuple[Leg, ...], marks: tuple[float, ...]
) -> None:
    held = opened(wallet, *legs, mode=mode)
    turn, quotes = crashed(held, *(float(mark) for mark in marks))
    after = turn.book
    prices = {q.symbol: q.price for q in quotes}
    fills = [c for c in turn.changes if isinstance(c, OrderChange) and c.fill]
    assert fills
    for change in fills:
        assert change.fill is not None
        assert change.fill.price == prices[change.intent.symbol]
        assert change.fill.fee == fee(change.fill.quantity, change.fill.price, D(125))
    assert after.wallet >= 0
    assert equity(after, prices) >= 0
    whole = after.initial_balance + after.realised_total - after.fees_total + after.funding_total + after.insolvency
    assert after.wallet == whole
    for trade in after.closed_trades:
        s = 1 if trade.side == "long" else -1
        market_result = s * trade.quantity * (trade.exit_price - trade.entry_price) - trade.fees
        assert trade.pnl == market_result + trade.insolvency
        assert trade.insolvency >= 0
        assert market_result >= 0 or trade.pnl <= 0, "who lost in the market has not won"
    assert sum(t.insolvency for t in after.closed_trades) == after.insolvency
    changes = [c for c in turn.changes if isinstance(c, PositionChange)]
    assert sum(c.insolvency for c in changes) == after.insolvency - held.insolvency
    assert all(c.wallet >= 0 for c in changes)


def test_the_others_profits_pay_before_the_venue_does() -> None:
    """A long that loses more than the wallet beside a short that wins more than that: nobody is insolvent."""
    held = opened(9_000, ("buy", "600", 100, 20), ("sell", "560", 100, 20))
    after = crashed(held, 30.0, 30.0)[0].book
    assert after.insolvency == 0
    assert after.wallet > 0


@pytest.mark.parametrize(
    ("price", "bps", "clearance", "borne"),
    [
        ("57100", "10", "28.55", "0"),
        ("57100", "125", "356.875", "306.875"),
        ("57000", "125", "356.25", "356.25"),
        ("56000", "125", "350", "850"),
        ("42000", "125", "262.5", "7762.5"),
        ("30000", "125", "187.5", "13687.5"),
    ],
    ids=[
        "the margin pays",
        "in part",
        "at bankruptcy",
        "beyond it",
        "19 May 2021: 43 000 to 30 000",
        "12 March 2020: half in a day",
    ],
)
def test_what_the_margin_cannot_pay_of_the_clearance_fee_is_insolvency(
    price: str, bps: str, clearance: str, borne: str
) -> None:
    rules: dict[str, Any] = {"taker_fee_bps": D(0), "liquidation_fee_bps": D(bps)}
    held = opened(100_000, ("buy", "0.5", 60_000, 20), mode="isolated", **rules)
    after = crashed(held, float(price), **rules)[0].book
    assert (after.fees_total, after.insolvency) == (D(clearance), D(borne))
    assert after.unpaid_clearance == min(D(clearance), D(borne))
    assert after.wallet == 100_000 + D("0.5") * (D(price) - 60_000) - D(clearance) + D(borne)


@pytest.mark.parametrize(
    "other",
    [3_300.0, 3_100.0, 2_900.0, 2_500.0, 1_770.0, 1_700.0, 1_200.0],
    ids=[
        "up by a tenth",
        "up",
        "down",
        "down by a sixth",
        "ETH, 19 May 2021: 3 400 to below 2 000",
        "ETH, 12 March 2020: 195 to 111",
        "to less than half",
    ],
)
def test_liquidation_prices_of_cross_positions_follow_the_others_marks(other: float) -> None:
    held = opened(20_000, ("buy", "0.5", 60_000, 20), ("buy", "6", 3_000, 20))
    quotes = (quote(other, symbol=NAMES[1], seconds=1), quote(60_000, symbol=NAMES[0], seconds=1))
    after = ticked(Turn(held), *quotes, **AT_THE_MARKET).book
    shown = after.positions[NAMES[0]].position.liquidation_price
    living = after.wallet + 6 * (D(str(other)) - 3_000) - 6 * D(str(other)) * D("0.004")
    right = (living - D("0.5") * 60_000) / (D("0.5") * (D("0.004") - 1))
    assert shown is not None
    assert abs(shown - right) < D("1e-6")
    assert following(after, market(*quotes, **AT_THE_MARKET)) is after, "it is written once"


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_funding_that_nobody_can_pay_is_insolvency(mode: MarginMode) -> None:
    held = opened(1_010, ("buy", "100", 100, 10), mode=mode)
    update = FundingUpdate(symbol=NAMES[0], funding_time=NOW, rate=0.2, mark_price=100)
    after = fund(Turn(held), update, market(quote(100, symbol=NAMES[0]), **AT_THE_MARKET)).book
    assert (after.wallet, after.funding_total) == (D(0), D(-2_000))
    assert after.insolvency == 2_000 - held.wallet
