"""What `perpetua decisions ID` says of what became of a decision."""

from typing import Any

import pytest

from cli.ask.came_of import ENDS, lines
from libs.schemas.analytics import AssetOutcome, DecisionOutcome
from tests.fakes.ledger_chain import T0


def said(**fields: Any) -> list[str]:
    asset = AssetOutcome.model_validate({"asset": "BTCUSDT", "action": "buy", "price": 60_000.0} | fields)
    told = DecisionOutcome(decision_id="dec-1", account_id="a", assets=(asset,), judged_at=T0)
    return lines(told.model_dump(mode="json"))


def test_returns_are_known_not_yet_or_never() -> None:
    told = said(return_1h=0.125, unknown={"24h": "no candle"})
    assert told == ["  BTCUSDT buy: +0.12 % after 1h, after 4h not yet, after 24h unknown (no candle)"]


def test_a_closed_position_says_how_it_ended_and_what_it_came_to() -> None:
    end = {"status": "hit_tp", "realized_pnl": "1234.5", "holding_seconds": 1800, "mfe": 0.3, "mae": -0.01}
    assert said(action="hold", **end) == [
        "  BTCUSDT position took its profit after 30 min: +1,234.50 net, at best +0.30 %, at worst -0.01 %"
    ]
    unseen = said(action="hold", **end | {"mfe": None, "mae": None, "slippage": "0.15"})
    assert unseen == ["  BTCUSDT position took its profit after 30 min: +1,234.50 net, slippage +0.15"]


@pytest.mark.parametrize("status", ENDS)
def test_every_end_has_its_word(status: str) -> None:
    assert ENDS[status] in said(action="hold", status=status, realized_pnl="-2")[0]


def test_an_open_position_has_no_end() -> None:
    assert said(action="hold", status="open", realized_pnl="-0.6") == ["  BTCUSDT position is open: -0.60 net so far"]


def test_what_nobody_followed_says_nothing() -> None:
    assert lines(None) == []
    assert said(action="hold") == []
