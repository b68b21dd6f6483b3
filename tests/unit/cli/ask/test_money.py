"""What a run made is counted from its first look on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from cli.ask.money import MoneyBook
from libs.schemas.account import AccountState, ClosedTrade
from tests import builders

AT = datetime(2025, 5, 15, tzinfo=UTC)


def trade(number: int, pnl: int) -> ClosedTrade:
    return ClosedTrade(
        symbol="BTCUSDT",
        side="long",
        quantity=D(1),
        entry_price=D(100),
        exit_price=D(100 + pnl),
        margin=D(10),
        pnl=D(pnl),
        fees=D(1),
        funding=D(0),
        opened_at=AT,
        closed_at=AT + timedelta(minutes=number),
        decision_id=f"dec-{number}",
    )


def state(*trades: ClosedTrade, fees: int = 0) -> AccountState:
    return builders.state("a", closed_trades=trades, fees_total=D(fees), funding_total=D(0))


def test_an_account_is_told_by_what_happened_in_the_run() -> None:
    book, before = MoneyBook(), trade(1, 50)
    book.look(state(before, fees=7), D(10_000))
    book.look(state(before, trade(2, 40), fees=8), D(11_000))
    book.look(state(before, trade(2, 40), trade(3, -30), fees=10), D(9_900))
    told = book.told({"BTCUSDT": 1.0, "ETHUSDT": 3.0, "SOLUSDT": 100.0}, {"a": ("BTCUSDT", "ETHUSDT")})["a"]
    assert (told.equity, told.return_pct, told.fees, told.trades) == (D(9_900), -1.0, D(3), 2)
    assert (told.win_rate, told.drawdown_pct, told.hold_pct) == (50.0, 10.0, 2.0)
    assert told.best is not None and told.worst is not None
    assert (told.best.pnl, told.worst.pnl) == (D(40), D(-30))
    assert told.line("a") == (
        "a: 9,900.00 USDT (-1.00 %; held: +2.00 %), 2 trades, 50 % won, fees 3.00, funding 0.00, drawdown 10.00 %, "
        "best BTCUSDT +40.00, worst BTCUSDT -30.00"
    )
    assert told.as_json()["best_trade"]["pnl"] == "40"


def test_an_account_that_did_nothing_has_no_figures_of_trades() -> None:
    book = MoneyBook()
    book.look(state(), D(10_000))
    told = book.told({}, {})["a"]
    assert (told.trades, told.win_rate, told.best, told.hold_pct) == (0, None, None, None)
    assert told.line("a") == "a: 10,000.00 USDT (+0.00 %), 0 trades, fees 0.00, funding 0.00, drawdown 0.00 %"
