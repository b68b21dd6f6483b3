"""From stored state to what the rules see."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from libs.risk import PositionView, Resting, account_view
from libs.schemas.account import (
    AccountState,
    ClosedTrade,
    OpenOrder,
    Position,
    Reservation,
    TradingDay,
)
from tests import builders
from tests.unit.risk.samples import BTC, ETH, NOW, SOL, limits

CONFIG = limits(leverage=5).account


def held(symbol: str = BTC, side: str = "long") -> Position:
    return builders.position(
        symbol, side=side, quantity=D(10), leverage=D(5), margin=D(200), stop_loss=D(95), opened_at=NOW
    )


def order(symbol: str = BTC, **fields: Any) -> OpenOrder:
    return builders.open_order(symbol, **({"quantity": D(4), "created_at": NOW} | fields))


def state(**fields: Any) -> AccountState:
    filled: dict[str, Any] = {
        "version": 7,
        "trading_state": "reducing",
        "wallet_balance": D(1_000),
        "day": TradingDay(start=NOW, open_equity=D(900), transfers=D(5)),
        "as_of": NOW,
    }
    return builders.state("main", **(filled | fields))


def test_the_view_carries_what_the_rules_ask_for() -> None:
    last = NOW - timedelta(minutes=1)
    view = account_view(state(positions=(held(),), last_entry_at={BTC: last}), CONFIG, {BTC: D(110)})
    assert (view.account_id, view.status, view.trading_state, view.version) == ("main", "active", "reducing", 7)
    assert (view.day_open_equity, view.transfers, view.last_entry_at) == (D(900), D(5), {BTC: last})
    assert (view.positions[BTC].margin, view.positions[BTC].stop, view.positions[BTC].target) == (D(200), D(95), None)


@pytest.mark.parametrize(
    ("mode", "mark", "equity", "available"),
    [
        pytest.param("isolated", "110", "1100", "800", id="an open profit cannot be spent"),
        pytest.param("isolated", "90", "900", "800", id="an isolated loss is the position's own"),
        pytest.param("cross", "110", "1100", "800", id="nor with cross margin"),
        pytest.param("cross", "90", "900", "700", id="a loss with cross margin is everyone's"),
    ],
)
def test_equity_and_available_balance(mode: str, mark: str, equity: str, available: str) -> None:
    view = account_view(state(positions=(held(),), margin_mode=mode), CONFIG, {BTC: D(mark)})
    assert (view.equity, view.available) == (D(equity), D(available))


def test_a_position_without_a_mark_stands_at_its_entry() -> None:
    assert account_view(state(positions=(held(side="short"),)), CONFIG, {}).equity == 1_000


def test_reservations_and_resting_entries_count_once() -> None:
    stored = state(
        reservations={BTC: Reservation(margin=D(30), notional=D(150)), ETH: Reservation(margin=D(7), notional=D(70))},
        open_orders=(
            order(BTC),
            order(SOL, filled=D(1)),
            order(SOL, leg="stop", type="stop_market", price=None, stop_price=D(9), reduce_only=True),
        ),
    )
    view = account_view(stored, CONFIG, {})
    assert view.resting == {
        BTC: Resting(D(200), "long"),
        ETH: Resting(D(70), None),
        SOL: Resting(D(150), "long"),
    }
    assert view.available == D(1_000) - 30 - 7 - 30  # SOL has no reservation: 150 at the account's leverage of 5


def test_orders_of_both_sides_rest_on_no_one_side() -> None:
    both = state(open_orders=(order(BTC), order(BTC, side="sell")))
    assert account_view(both, CONFIG, {}).resting[BTC].side is None


def test_a_reservation_names_its_side() -> None:
    sent = state(reservations={BTC: Reservation(margin=D(30), notional=D(150), side="sell")})
    assert account_view(sent, CONFIG, {}).resting == {BTC: Resting(D(150), "short")}


@pytest.mark.parametrize(
    ("filled", "placed", "expected"),
    [
        pytest.param(None, (), {}, id="never"),
        pytest.param(-60, (), {BTC: -60}, id="one that filled"),
        pytest.param(None, (-30,), {BTC: -30}, id="one that rests counts from its placing"),
        pytest.param(-60, (-30, -40), {BTC: -30}, id="the newest of all"),
        pytest.param(-20, (-30,), {BTC: -20}, id="a newer one that filled"),
    ],
)
def test_the_last_entry_of_an_asset(filled: int | None, placed: tuple[int, ...], expected: dict[str, int]) -> None:
    stored = state(
        last_entry_at={} if filled is None else {BTC: NOW + timedelta(seconds=filled)},
        open_orders=tuple(order(BTC, created_at=NOW + timedelta(seconds=each)) for each in placed),
    )
    view = account_view(stored, CONFIG, {})
    assert view.last_entry_at == {symbol: NOW + timedelta(seconds=each) for symbol, each in expected.items()}


def test_a_stop_is_no_entry() -> None:
    stop = order(BTC, leg="stop", type="stop_market", price=None, stop_price=D(9), reduce_only=True)
    assert account_view(state(open_orders=(stop,)), CONFIG, {}).last_entry_at == {}


def test_returns_are_of_the_notional_and_by_strategy() -> None:
    trades = tuple(
        ClosedTrade(
            symbol=BTC,
            side="long",
            quantity=D(2),
            entry_price=D(100),
            exit_price=D(110),
            margin=D(40),
            pnl=D(pnl),
            fees=D(1),
            funding=D(0),
            opened_at=NOW,
            closed_at=NOW,
            decision_id="d",
            strategy_id=strategy,
        )
        for pnl, strategy in ((20, "swing"), (-10, "swing"), (4, "dca"), (6, None))
    )
    view = account_view(state(closed_trades=trades), CONFIG, {})
    assert view.returns == {"swing": (D("0.1"), D("-0.05")), "dca": (D("0.02"),)}


def test_a_position_is_seen_as_it_is_stored() -> None:
    stored = held(side="short").model_copy(update={"take_profit": D(80)})
    seen = account_view(state(positions=(stored,)), CONFIG, {}).positions[BTC]
    assert seen == PositionView(BTC, "short", D(10), D(100), D(5), D(200), D(95), D(80))


def test_equity_and_what_is_available_follow_the_mark() -> None:
    view = account_view(state(positions=(held(),)), CONFIG, {BTC: D(93)})
    assert (view.equity, view.available) == (D(930), D(800))
    assert account_view(state(positions=(held(),), margin_mode="cross"), CONFIG, {BTC: D(93)}).available == 730


@pytest.mark.parametrize(
    "fields",
    [{"leg": "exit"}, {"reduce_only": True}, {"leg": "stop", "reduce_only": True}, {"filled": D(4)}],
    ids=["another leg", "reduce only", "a stop", "filled"],
)
def test_what_is_no_waiting_entry_does_not_rest(fields: dict[str, Any]) -> None:
    assert account_view(state(open_orders=(order(BTC, **fields),)), CONFIG, {}).resting == {}


def test_every_rung_of_a_ladder_rests() -> None:
    rungs = (order(BTC), order(BTC, price=D("0.1"), quantity=D(5)))
    assert account_view(state(open_orders=rungs), CONFIG, {}).resting == {BTC: Resting(D("200.5"), "long")}


def test_a_small_rest_counts_too() -> None:
    assert account_view(state(open_orders=(order(BTC, price=D("0.1")),)), CONFIG, {}).resting[BTC].notional == D("0.4")


def test_a_reservation_to_buy_is_long() -> None:
    sent = state(reservations={BTC: Reservation(margin=D(30), notional=D(150), side="buy")})
    assert account_view(sent, CONFIG, {}).resting[BTC].side == "long"
