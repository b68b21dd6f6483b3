"""Rows of what became of the accounts, from what the API answers."""

from decimal import Decimal
from typing import Any

import pytest

from cli.ask import history
from cli.ask.api import Api

POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "long",
    "quantity": "0.0500",
    "entry_price": "103000.123456",
    "leverage": "5",
    "stop_loss": "101000.5",
    "take_profit": None,
    "liquidation_price": "83127.7777777777",
    "opened_at": "2025-05-15T03:12:00Z",
}
TRADE: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "short",
    "quantity": "1",
    "entry_price": "100",
    "exit_price": "90",
    "pnl": "9.5",
    "fees": "0.5",
    "funding": "0",
    "reason": "target",
    "closed_at": "2025-05-15T03:12:00Z",
}


class Answers(Api):
    """An API that answers from a table of paths."""

    def __init__(self, answers: dict[tuple[str, ...], Any]) -> None:
        self.answers = answers

    def get(self, *path: str, **wanted: str | int | None) -> dict[str, Any]:
        found: dict[str, Any] = self.answers[path]
        return found


def api(state: dict[str, Any]) -> Answers:
    return Answers({("accounts",): {"items": [{"account_id": "a"}]}, ("accounts", "a", "state"): state})


@pytest.mark.parametrize(
    ("sizes", "liquidation"),
    [({"BTCUSDT": Decimal("0.1")}, "83127.8"), ({"BTCUSDT": Decimal("0.50")}, "83128.00"), ({}, "83127.8")],
    ids=["by the tick", "by another", "a symbol without one: as its stop"],
)
def test_a_position_shows_its_prices_in_the_digits_that_the_venue_takes(
    sizes: dict[str, Decimal], liquidation: str
) -> None:
    found = history.positions(api({"positions": [POSITION]}), None, sizes)
    assert found.rows == [
        ("a", "BTCUSDT", "long", "0.05", "103000.123456", "5", "101000.5", "", liquidation, "05-15 03:12:00")
    ]
    assert found.items[0]["liquidation_price"] == "83127.7777777777", "programs get it as it is"


def test_trades_are_told_newest_first_and_no_more_than_asked_for() -> None:
    older = {**TRADE, "closed_at": "2025-05-14T03:12:00Z", "pnl": "-1"}
    found = history.trades(api({"closed_trades": [older, TRADE]}), None, 1)
    assert found.rows == [
        ("05-15 03:12:00", "a", "BTCUSDT", "short", "1", "100", "90", "9.50", "0.50", "0.00", "target")
    ]
    assert history.trades(api({"closed_trades": []}), "a", 5).none == "no closed trades"


@pytest.mark.parametrize(("decision", "acted"), [("buy", "BTCUSDT buy"), ("hold", "")])
def test_a_decision_shows_what_it_did_and_no_holds(decision: str, acted: str) -> None:
    entry = {
        "created_at": "2025-05-15T03:12:00Z",
        "account_id": "a",
        "status": "accepted",
        "decision": {"decisions": [{"asset": "BTCUSDT", "action": decision}]},
        "decision_id": "dec-1",
    }
    found = history.decisions(Answers({("decisions", "history"): {"items": [entry]}}), None, 5)
    assert found.rows == [("05-15 03:12:00", "a", "accepted", acted, "", "dec-1")]
