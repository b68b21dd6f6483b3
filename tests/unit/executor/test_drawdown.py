"""The drawdown of an account is the deepest it ever was, however many trades are kept, and counts what is open."""

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from libs.schemas.account import AccountState, ClosedTrade
from services.executor.domain import paper
from services.executor.domain.changes import Turn, seal
from services.executor.domain.control import flatten
from services.executor.domain.history import KEEP_CLOSED
from services.executor.domain.performance import STEP_PCT, performance, running
from services.executor.domain.state import account_state
from services.executor.domain.timers import ailing, tended
from services.executor.domain.trading import TradingBounds
from tests.fakes.executor_values import (
    NOW,
    book,
    filters,
    instruction,
    market,
    quote,
    validated,
    working,
)

T0 = datetime(2025, 5, 5, tzinfo=UTC)
BALANCE = D(10_000)
NO_BOUNDS = TradingBounds()


def closed(pnl: D) -> ClosedTrade:
    money = {"margin": D(10), "pnl": pnl, "fees": D(0), "funding": D(0)}
    prices = {"quantity": D(1), "entry_price": D(100), "exit_price": D(100)}
    times = {"opened_at": T0, "closed_at": T0}
    return ClosedTrade(symbol="BTCUSDT", side="long", decision_id="dec-1", strategy_id="s", **prices, **money, **times)


def drawdown(profits: list[float], *, older_version_until: int = 0) -> float:
    """In percent after all of these trades; the first ones were closed by a version that kept no running figures."""
    kept: tuple[ClosedTrade, ...] = ()
    seen = performance(kept, BALANCE)
    for n, pnl in enumerate(profits):
        trade = closed(D(str(pnl)))
        known = running(seen, kept, trade.pnl, BALANCE) if n >= older_version_until else {}
        kept = (*kept, trade)[-KEEP_CLOSED:]
        goes_on = known and n + 1 < len(profits)  # of the figures before, the next ones take those alone that are known
        seen = (seen if goes_on else performance(kept, BALANCE)).model_copy(update=known)
    return seen.max_drawdown


@pytest.mark.parametrize(
    ("profits", "percent"),
    [
        pytest.param([-7_900, *[1.0] * 620], 79, id="M26: fell early, 620 trades since"),
        pytest.param([*[10.0] * 600, -8_000.0], 50, id="the peak is older than what is kept"),
        pytest.param([*[-1.0] * 1_200], 12, id="it only ever fell, slowly"),
        pytest.param([*[1.0] * 700], 0, id="it only ever rose"),
        pytest.param([10_000, -5_000, *[20.0] * 501, -2_000], 25, id="the first fall was the deepest"),
        pytest.param([-100.0], 1, id="one trade"),
        pytest.param([-12_000.0], 120, id="more than there was"),
    ],
)
def test_the_deepest_fall_from_a_peak_is_kept(profits: list[float], percent: float) -> None:
    assert drawdown(profits) == pytest.approx(percent)


def test_an_account_of_an_older_version_goes_on_from_the_trades_that_it_kept() -> None:
    assert drawdown([-5_000, *[1.0] * 100, -50], older_version_until=100) == pytest.approx(50)
    assert drawdown([2_000, -6_000.0], older_version_until=1) == pytest.approx(50)


def held_through(side: str, prices: list[float]) -> AccountState:
    """The state of an account that holds half of its wallet in one position while its mark goes through these prices,
    and has closed it at the last one."""
    turn = Turn(book())
    for order in working(
        validated(instruction(side, stop=None, target=None, margin=D(5_000), leverage=D(1))), turn.book
    ):
        turn = paper.submit(turn, order, market(quote(50_000)))
    for n, price in enumerate(prices):
        now = market(quote(price, seconds=n), seconds=n)
        if ailing(turn.book, now, NO_BOUNDS):
            turn = tended(Turn(seal(turn, now.now)[0]), now, NO_BOUNDS)
        assert not ailing(turn.book, now, NO_BOUNDS), "what was written is not written again"
    turn = flatten(turn, "by-hand", market(quote(prices[-1], seconds=len(prices)), seconds=len(prices)))
    assert not turn.book.positions
    return account_state(seal(turn, NOW)[0], filters())


@pytest.mark.parametrize(
    ("side", "prices", "percent"),
    [
        pytest.param(
            "buy", [50_000, 42_777, 45_700, 50_600], 7.25, id="BTC, 10 October 2025: down 14 %, half of it back"
        ),
        pytest.param("buy", [50_000, 31_000, 19_000, 50_100], 31.02, id="BTC, 12 March 2020, as a position of half"),
        pytest.param("buy", [50_000, 10_000, 50, 5], 49.99, id="LUNA, 12 May 2022"),
        pytest.param(
            "sell", [50_000, 54_000, 50_500, 49_000], 4.02, id="7 April 2025: a rumour of a pause, against a short"
        ),
        pytest.param("buy", [50_000, 49_950, 49_960, 50_400], 0.0, id="less than a step"),
        pytest.param("buy", [55_000, 60_000, 58_000], 0.0, id="an open profit that shrinks"),
        pytest.param("sell", [49_000, 50_900, 51_800, 51_700, 49_500], 1.82, id="deeper twice"),
    ],
)
def test_what_an_open_position_lost_counts_though_it_was_won_back(
    side: str, prices: list[float], percent: float
) -> None:
    seen = held_through(side, prices).performance.max_drawdown
    assert seen == pytest.approx(percent, abs=STEP_PCT)
