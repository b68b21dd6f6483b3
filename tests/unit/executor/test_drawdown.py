"""The drawdown of an account is over all that it ever closed, however many trades are kept with it."""

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from libs.schemas.account import ClosedTrade
from services.executor.domain.history import KEEP_CLOSED
from services.executor.domain.performance import performance, running

T0 = datetime(2025, 5, 5, tzinfo=UTC)
BALANCE = D(10_000)


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
        pytest.param([-8_500, *[1.0] * 500], 85, id="M26: fell by 85 % early, 500 trades since"),
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
