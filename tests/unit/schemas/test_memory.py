"""What was stored before decisions were remembered is read as it was: nothing is known, and nothing is made up."""

from decimal import Decimal
from typing import Any

import pytest

from libs.schemas.account import ClosedTrade
from libs.schemas.base import Wire
from libs.schemas.context import AccountContext, PositionSummary, TradingContext
from libs.schemas.decision import AssetDecision
from libs.schemas.inflight import InFlight
from tests import builders
from tests.fakes.decider_contexts import position

TRADE = ClosedTrade(
    symbol="BTCUSDT", side="long", quantity=Decimal(1), entry_price=Decimal(100), exit_price=Decimal(98),
    margin=Decimal(50), pnl=Decimal(-2), fees=Decimal(0), funding=Decimal(0), opened_at=builders.T0,
    closed_at=builders.T0, decision_id="dec-1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        (TRADE, {"reason": None, "conditions": ()}),
        (InFlight(account_id="acc1"), {"verdicts": ()}),
        (builders.context(), {"past_decisions": ()}),
        (builders.account_context(), {"fees_total": None, "funding_total": None, "last_entry_at": {}}),
        (
            position("BTCUSDT"),
            {"fees": None, "funding": None, "conditions": (), "invalidated_at": None, "checked": False},
        ),
        (builders.row(confidence=70), {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Wire | AssetDecision) else "",
)
def test_a_document_without_the_new_fields_is_read(
    stored: ClosedTrade | InFlight | TradingContext | AccountContext | PositionSummary | AssetDecision,
    new: dict[str, Any],
) -> None:
    old = stored.model_dump_json(exclude=set(new))
    assert not any(f'"{name}":' in old for name in new if name not in ("fees", "funding"))
    found = type(stored).model_validate_json(old)
    assert {name: getattr(found, name) for name in new} == new
    assert found == stored
