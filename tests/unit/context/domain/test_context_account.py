"""What a context says of the account: positions at their marks, asked for or not, with a market or without."""

from decimal import Decimal

import pytest

from libs.schemas.account import TradeHistory
from libs.schemas.reasons import ContextErrorCode
from tests.builders import position, state
from tests.fakes.context_values import at
from tests.unit.context.domain.test_context import built, market


def test_a_position_without_any_market_stands_at_its_entry_price() -> None:
    found = built(market(BTCUSDT=1), state=state(positions=(position("DOGEUSDT"),)))
    assert found.account_state.open_positions[0].unrealized_pnl == 0
    assert "DOGEUSDT" in found.degraded and "DOGEUSDT" not in found.market_data.assets


def test_a_position_that_was_not_asked_for_is_valued_and_the_age_of_its_price_is_said() -> None:
    held = state(positions=(position("ETHUSDT"), position("XRPUSDT"), position("SOLUSDT")))
    found = built(market(BTCUSDT=1, ETHUSDT=70, SOLUSDT=1), state=held, symbols=("BTCUSDT",))
    assert (found.symbols, found.degraded) == (("BTCUSDT",), ())
    assert [p.mark_price for p in found.account_state.open_positions] == [111, 100, 111]
    assert [(e.scope, e.code, e.message) for e in found.errors] == [
        ("account", ContextErrorCode.STALE, "the position in ETHUSDT: it stands at a price that is 70 s old"),
        (
            "account",
            ContextErrorCode.NO_TICK,
            "the position in XRPUSDT: no tick has come: it stands at its last close, or where it was entered",
        ),
    ]


def test_the_account_section_stands_at_the_newest_marks() -> None:
    trades = tuple(
        TradeHistory(symbol="BTCUSDT", side="buy", size=1, price=n + 1, fee=0, timestamp=at(n)) for n in range(30)
    )
    short = position("ETHUSDT", side="short", quantity=Decimal(1), entry_price=Decimal(120), margin=Decimal(60))
    held = state(positions=(position(), short), recent_trades={"BTCUSDT": trades, "XRPUSDT": trades}, version=7)
    found = built(market(BTCUSDT=1, ETHUSDT=1), state=held)
    section = found.account_state
    assert found.account_version == section.version == 7
    assert section.equity == 10_000 + 22 + 9
    assert section.total_pnl == 31
    assert section.available_balance == 10_000 - 160
    assert section.open_positions[0].percentage_pnl == pytest.approx(22.0)
    assert section.risk_exposure == pytest.approx(333 / 10_031 * 100)
    assert found.risk_metrics.gross_exposure == 333
    assert found.risk_metrics.net_exposure == 111
    assert found.risk_metrics.concentration_risk == pytest.approx(222 / 333 * 100)
    volatility = found.market_data.assets["BTCUSDT"].volatility
    assert found.risk_metrics.var_95 == pytest.approx(333 * volatility / 100 * 1.645)
    assert found.recent_trades == {"BTCUSDT": trades[-20:]}


def test_without_positions_nothing_is_at_risk() -> None:
    found = built(market(BTCUSDT=1)).risk_metrics
    assert (found.var_95, found.correlation_risk, found.concentration_risk, found.margin_ratio) == (0, 0, 0, 0)


def test_an_account_that_lost_everything_still_has_a_context() -> None:
    assert built(market(BTCUSDT=1), state=state(wallet_balance=Decimal(-5))).account_state.equity == -5
