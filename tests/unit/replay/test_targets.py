"""An always-in cross of EMA 20 and 50 over 100 000 bars: arrays, books and an independent reckoning say the same."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.run.seed import read_venue
from libs.schemas.venue import VenueSymbol
from replay.arrays import Floats, Terms, trade
from replay.targets import CloseColumn, trade_on_books
from tests.forms import examples, sized
from tests.unit.replay.markets import account

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(quantity=D("0.1"), fee=D("0.0004"), tick=D("0.01"), balance=D(1_000_000))


def closes(count: int) -> Floats:
    returns = np.random.default_rng(7).normal(0, 0.0008, count)
    return np.round(1_000 * np.exp(np.cumsum(returns)), 2)


def ema(values: Floats, span: int) -> Floats:
    """Seeded with the first price."""
    made, share = [float(values[0])], 2 / (span + 1)
    for value in values[1:].tolist():
        made.append(share * value + (1 - share) * made[-1])
    return np.array(made)


def cross(prices: Floats) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Long while EMA 20 is above EMA 50, else short; from bar 50 on."""
    held = np.where(ema(prices, 20) > ema(prices, 50), 1, -1).astype(np.int8)
    held[:50] = 0
    return held


def reckoned(prices: Floats) -> tuple[list[tuple[int, int, int, D, D]], D]:
    """By hand, bar by bar, in decimals: entry, exit, side, profit and fees of each position, and the wallet."""
    fast = slow = float(prices[0])
    wallet, side, entry, entered = D(1_000_000), 0, D(0), 0
    rows = []
    for bar, value in enumerate(prices.tolist()):
        if bar:
            fast, slow = 2 / 21 * value + (1 - 2 / 21) * fast, 2 / 51 * value + (1 - 2 / 51) * slow
        wished = (1 if fast > slow else -1) if bar >= 50 else 0
        if wished == side:
            continue
        price = D(str(value))
        if side:
            profit, fees = side * (price - entry) * D("0.1"), (price + entry) * D("0.1") * D("0.0004")
            wallet += profit - price * D("0.1") * D("0.0004")
            rows.append((entered, bar, side, profit, fees))
        side, entry, entered = wished, price, bar
        wallet -= price * D("0.1") * D("0.0004")
    return rows, wallet


def venue(**changes: object) -> VenueSymbol:
    """Fills at the price that is shown, at four basis points."""
    known = next(each for each in read_venue() if each.symbol == "BTCUSDT")
    free = {"half_spread_bps": D(0), "slippage_bps": D(0), "impact_bps": D(0), "taker_fee_bps": D(4)}
    return known.model_copy(
        update={"lot_size": D("0.1"), "min_notional": D(0), "tick_size": D("0.01"), **free, **changes}
    )


def test_the_array_path_is_the_reckoning_trade_by_trade() -> None:
    prices = closes(100_000)
    made = trade(prices, cross(prices), TERMS)
    rows, wallet = reckoned(prices)
    columns = (made.entries, made.exits, made.sides, made.profits, made.fees)
    told = zip(*(column.tolist() for column in columns), strict=True)
    assert [(a, b, side, profit * made.unit, fees * made.unit) for a, b, side, profit, fees in told] == rows
    assert made.wallet == wallet
    assert len(rows) > 1_000


def test_the_books_are_the_reckoning_fill_by_fill() -> None:
    prices = closes(sized(8_000, 100_000))
    config = account(initial_balance=D(1_000_000), leverage=D(5), symbols=("BTCUSDT",))
    run = trade_on_books(CloseColumn("BTCUSDT", prices, FIRST), cross(prices), D("0.1"), config, venue())
    rows, wallet = reckoned(prices)
    assert run.book.wallet == wallet
    assert [trade.pnl for trade in run.book.closed_trades] == [p - f for *_, p, f in rows][-500:]
    assert run.book.realised_total == sum((row[3] for row in rows), D(0))
    assert {bar for bar, _, _ in run.fills} == {bar for row in rows for bar in row[:2]} | {rows[-1][1]}


@examples(20, 500)
@given(
    st.lists(st.tuples(st.integers(-1, 1), st.integers(90_000, 110_000)), min_size=2, max_size=40),
    st.sampled_from(["0.1", "1", "2.5"]),
    st.sampled_from(["0", "0.0004", "0.00055"]),
)
def test_arrays_and_books_agree_to_the_last_digit(steps: list[tuple[int, int]], quantity: str, fee: str) -> None:
    prices = np.array([cents for _, cents in steps]) / 100
    held = np.array([side for side, _ in steps], np.int8)
    made = trade(prices, held, replace(TERMS, quantity=D(quantity), fee=D(fee)))
    config = account(initial_balance=D(1_000_000), leverage=D(5), symbols=("BTCUSDT",))
    filters = venue(taker_fee_bps=D(fee) * 10_000)
    book = trade_on_books(CloseColumn("BTCUSDT", prices, FIRST), held, D(quantity), config, filters).book
    assert (made.wallet, made.realised, made.fees_paid) == (book.wallet, book.realised_total, book.fees_total)
    assert (made.open_bar is None) == (not book.positions)


def test_money_that_64_bits_do_not_hold_is_refused() -> None:
    with pytest.raises(OverflowError):
        trade(np.array([1e12, 2e12]), np.array([1, -1], np.int8), replace(TERMS, quantity=D("1000000.00001")))
