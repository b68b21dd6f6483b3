"""The board hands a tick to exactly the accounts that it matters to, and funding at its boundary."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.market import FundingUpdate
from services.executor.application.board import Board, Watch
from services.executor.domain.bands import ALWAYS, Band
from services.executor.ports import MarketEvent
from tests.fakes.executor_values import NOW, SYMBOL, tick

LOW = st.one_of(st.just(-math.inf), st.floats(1, 100))
HIGH = st.one_of(st.just(math.inf), st.floats(1, 100))
BANDS = st.builds(Band, mark_low=LOW, mark_high=HIGH, price_low=LOW, price_high=HIGH)
CHANGES = st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), BANDS)), max_size=20)


class StoppedClock:
    """A clock that the test moves."""

    speed = 1.0
    paused = False

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    wall = now

    def monotonic(self) -> float:
        return 0.0


@given(CHANGES, st.floats(1, 100), st.floats(1, 100))
def test_sorted_bounds_find_what_a_scan_of_all_bands_finds(
    changes: list[tuple[str, Band | None]], price: float, mark: float
) -> None:
    watch, bands = Watch(), dict[str, Band]()
    for account, band in changes:
        watch.put(account, band)
        bands.pop(account, None)
        if band is not None:
            bands[account] = band
    assert watch.hits(price, mark) == {account for account, band in bands.items() if band.hit(price, mark)}


Offered = list[tuple[str, MarketEvent, int]]


def board() -> tuple[Board, StoppedClock, Offered]:
    clock = StoppedClock()
    return Board(clock), clock, []


def watch(board: Board, offered: Offered, account: str, bands: Mapping[str, Band]) -> None:
    board.watch(account, bands, lambda event, sequence: offered.append((account, event, sequence)))


def test_an_account_gets_only_ticks_of_what_it_watches() -> None:
    made, _, offered = board()
    watch(made, offered, "a", {SYMBOL: Band(mark_low=90.0)})
    made.on_tick(tick(95), 1)
    made.on_tick(tick(90), 2)
    made.on_tick(tick(80, symbol="ETHUSDT"), 3)
    made.leave("a")
    made.on_tick(tick(80), 4)
    assert [(account, sequence) for account, _, sequence in offered] == [("a", 2)]
    assert made.sequence == 4


def test_an_account_that_attends_gets_every_tick() -> None:
    made, _, offered = board()
    watch(made, offered, "a", {SYMBOL: ALWAYS})
    made.on_tick(tick(1), 1)
    made.on_tick(tick(1_000_000), 2)
    assert [sequence for _, _, sequence in offered] == [1, 2]


def test_funding_that_is_announced_ahead_waits_for_its_boundary() -> None:
    made, clock, offered = board()
    watch(made, offered, "a", {SYMBOL: Band()})
    made.on_funding(FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(minutes=5), rate=0.0001), 7)
    made.pay_due()
    assert not offered
    clock.time = NOW + timedelta(minutes=5)
    made.pay_due()
    made.pay_due()
    assert [(account, sequence) for account, _, sequence in offered] == [("a", 7)]


def test_of_funding_announced_again_and_again_the_last_announcement_counts() -> None:
    made, clock, offered = board()
    watch(made, offered, "a", {SYMBOL: Band()})
    boundary = NOW + timedelta(minutes=5)
    for sequence, rate in ((7, 0.0001), (8, 0.0003), (9, 0.0002)):
        made.on_funding(FundingUpdate(symbol=SYMBOL, funding_time=boundary, rate=rate), sequence)
    clock.time = boundary
    made.pay_due()
    paid = [(event.rate, sequence) for _, event, sequence in offered if isinstance(event, FundingUpdate)]
    assert paid == [(0.0002, 9)]


def test_the_newest_tick_is_the_quote() -> None:
    made, _, _ = board()
    assert made.quote(SYMBOL) is None
    made.on_tick(tick(95.5), 1)
    made.on_tick(tick(96.25, mark_price=96.0), 2)
    quote = made.quote(SYMBOL)
    assert quote is not None
    assert (str(quote.price), str(quote.mark), quote.sequence) == ("96.25", "96.0", 2)


def test_a_tick_that_comes_late_triggers_and_does_not_become_the_price_of_now() -> None:
    made, _, offered = board()
    watch(made, offered, "a", {SYMBOL: Band(mark_low=96)})
    made.on_tick(tick(100), 1)
    made.on_tick(tick(95, at=NOW - timedelta(seconds=3)), 2)
    quote = made.quote(SYMBOL)
    assert quote is not None
    assert (str(quote.price), quote.sequence, made.sequence) == ("100.0", 1, 2)
    assert [(account, sequence) for account, _, sequence in offered] == [("a", 2)]


def test_a_market_that_begins_anew_in_the_past_has_new_prices() -> None:
    made, clock, _ = board()
    made.on_tick(tick(100), 1)
    clock.time = NOW - timedelta(days=7)
    made.on_tick(tick(95, at=clock.time), 2)
    quote = made.quote(SYMBOL)
    assert quote is not None
    assert str(quote.price) == "95.0"


def test_the_board_keeps_the_last_tick_of_before_midnight() -> None:
    clock = StoppedClock()
    board = Board(clock)
    night = NOW.replace(hour=0) + timedelta(days=1)
    told = [(-9, 101), (-1, 102), (-4, 90), (0.5, 80), (3, 70), (-2, 60)]
    for sequence, (seconds, price) in enumerate(told, start=1):
        clock.time = max(clock.time, night + timedelta(seconds=seconds))
        board.on_tick(tick(price, at=night + timedelta(seconds=seconds)), sequence)
    before, newest = board.midnight(SYMBOL), board.quote(SYMBOL)
    assert before is not None
    assert newest is not None
    assert before.mark == 102
    assert newest.mark == 70
    assert board.midnight("ETHUSDT") is None
