"""R4 over real candles: every write of both demo accounts balances exactly. The long form plays all fourteen days."""

import pytest

from tests.fakes.executor_simulation import DATA, Simulation
from tests.forms import sized

DAYS = sized(2, 14)
ACTIONS = {"entry.filled", "exit.filled", "stop.filled", "stop.placed", "target.placed", "stop.canceled"}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"NOT RUN: there are no candles in {DATA}; set PERPETUA_DATA_DIR")
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
