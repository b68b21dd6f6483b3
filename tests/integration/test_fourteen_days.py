"""R4 over real candles: every write of both demo accounts balances exactly. The long form plays all fourteen days."""

import pytest

from libs.schemas.account import MarginMode
from tests.fakes.executor_simulation import DATA, Simulation
from tests.forms import sized

DAYS = sized(2, 14)
MIRRORED = sized(1, 14)
WHY = f"NOT RUN: there are no candles in {DATA}; set PERPETUA_DATA_DIR"
NEEDS_DATA = pytest.mark.skipif(not DATA.is_dir(), reason=WHY)
ACTIONS = {"entry.filled", "exit.filled", "stop.filled", "stop.placed", "target.placed", "stop.canceled"}


@NEEDS_DATA
def test_the_books_of_both_demo_accounts_balance_to_the_last_digit() -> None:
    run = Simulation(DAYS)
    run.run()
    for desk in run.desks:
        book, sums = desk.book, desk.sums
        print(desk.config.account_id, dict(desk.kinds), dict(desk.causes), book.wallet, book.version)
        assert desk.broken == []
        assert book.wallet == book.initial_balance + sums["realised"] - sums["fees"] + sums["funding"] + book.insolvency
        assert (book.realised_total, book.fees_total, book.funding_total) == tuple(sums.values())
        assert sum(t.pnl for t in book.closed_trades) == book.performance.total_pnl
        assert desk.kinds["entry.filled"] > 10
    assert set().union(*(desk.kinds for desk in run.desks)) >= ACTIONS
    assert sum(desk.causes["funding"] for desk in run.desks) > 0
    print(f"{DAYS} days, {run.ticks} ticks, {run.decisions} decisions")


@NEEDS_DATA
@pytest.mark.timeout(sized(300, 1_200))
@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_independent_books_say_the_same_to_the_last_digit(mode: MarginMode) -> None:
    """Prices, fees, profits, funding, wallets, positions, equity: after every write, by the design's formulas alone."""
    run = Simulation(MIRRORED, mode)
    run.run()
    for desk in run.desks:
        assert desk.mirror is not None
        assert desk.mirror.wrong == []
        assert desk.broken == []
        assert desk.book.insolvency == 0
        assert desk.kinds["entry.filled"] > 10
        print(desk.config.account_id, mode, dict(desk.causes), desk.book.wallet, desk.book.version)
    assert sum(desk.causes["funding"] for desk in run.desks) > 0
