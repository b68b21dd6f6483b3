"""Outcomes as they are read: from the documents that the ledger makes of a decision, its trades and its fills."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.records.collections import FILLS, OUTCOMES, TRADES
from libs.records.outcomes import ended_as, entry_of, outcome_of
from libs.schemas.analytics import AssetOutcome
from libs.schemas.base import Message
from libs.schemas.orders import PositionEvent
from libs.schemas.reasons import OrderReason
from services.ledger.domain.project import project
from tests import builders
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_outcomes import FakeOutcomes, outcome_desk
from tests.fakes.ledger_store import FakeStore
from tests.unit.ledger.test_outcomes import book, candles

CHAIN = Chain()


def closed(kind: str = "closed", cause: OrderReason = OrderReason.STOP, pnl: str = "-2") -> PositionEvent:
    (_, last) = CHAIN.positions()
    return builders.position_event(
        kind,
        event_id="out",
        account_id=CHAIN.account,
        account_version=9,
        before=last.after,
        realized_pnl=Decimal(pnl),
        fee=Decimal("0.5"),
        funding=Decimal("-0.1"),
        cause=cause,
        decision_id=CHAIN.decision_id,
        at=T0 + timedelta(minutes=30),
    )


async def outcome(bodies: Iterable[Message], until: int) -> AssetOutcome:
    store = FakeStore()
    for body in bodies:
        store.apply_now(project(body, T0))
    desk = outcome_desk(FakeOutcomes(store), book(candles(-5, until)))
    while await desk.once():
        pass
    trades, fills = (list(store.collections[name].values()) for name in (TRADES, FILLS))
    told = outcome_of(
        store.collections[OUTCOMES][CHAIN.decision_id], trades, [fill for fill in fills if fill["leg"] == "entry"]
    )
    assert (told.decision_id, told.account_id, told.judged_at) == (CHAIN.decision_id, "alpha", CHAIN.at(0.3))
    (asset,) = told.assets
    return asset


async def test_a_decision_that_traded_says_what_it_came_to() -> None:
    asset = await outcome([body for _, body in CHAIN.messages()] + [closed()], 200)
    assert (asset.asset, asset.action, asset.price, asset.status) == ("BTCUSDT", "buy", 60_000.0, "hit_sl")
    assert (asset.return_4h, asset.return_24h) == (None, None)
    assert asset.return_1h == pytest.approx(0.1)
    assert (asset.realized_pnl, asset.fees, asset.funding) == (Decimal("-3.2"), Decimal("1.1"), Decimal("-0.1"))
    assert asset.slippage == Decimal("0.15")  # 0.015 of it were bought 10 above
    assert asset.holding_seconds == pytest.approx(30 * 60 - 0.41)
    assert (asset.mfe, asset.mae) == pytest.approx((35 / 600, -100 / 600))  # it left at 59 900
    assert asset.unknown == {}


async def test_a_position_that_is_open_has_no_end_and_no_path_yet() -> None:
    asset = await outcome([body for _, body in CHAIN.messages()], 20)
    assert (asset.status, asset.holding_seconds, asset.mfe, asset.return_1h) == ("open", None, None, None)
    assert asset.realized_pnl == Decimal("-0.6")  # what it cost to enter


async def test_a_decision_that_nobody_acted_on_has_its_returns_alone() -> None:
    asset = await outcome([CHAIN.validated()], 300)
    assert (asset.return_1h, asset.return_4h) == pytest.approx((0.1, 0.4))
    assert (asset.status, asset.realized_pnl, asset.slippage) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "cause", "ended"),
    [
        ("closed", OrderReason.TARGET, "hit_tp"),
        ("closed", OrderReason.STOP, "hit_sl"),
        ("closed", OrderReason.CONTROL, "closed"),
        ("closed", OrderReason.MAX_HOLD, "closed"),
        ("liquidated", OrderReason.LIQUIDATION, "liquidated"),
    ],
)
async def test_how_a_position_ended_is_its_cause(kind: str, cause: OrderReason, ended: str) -> None:
    asset = await outcome([*(body for _, body in CHAIN.messages()), closed(kind, cause)], 100)
    assert asset.status == ended


def test_a_trade_of_an_earlier_version_was_closed_somehow() -> None:
    assert ended_as({"closed_at": T0}) == "closed"


@pytest.mark.parametrize(("sign", "returns"), [(1, {"1h": 10.0}), (-1, {"1h": -10.0}), (0, {})])
def test_an_entry_is_right_by_its_own_sign(sign: int, returns: dict[str, float]) -> None:
    row: dict[str, Any] = {"sign": sign, "price": 100.0, "after": {"1h": 110.0}, "unknown": {"4h": "a gap"}}
    entry = entry_of(row | {"confidence": 70.0})
    assert entry.returns == pytest.approx(returns)
    assert (entry.unknown, entry.confidence) == (frozenset({"4h"}), 70.0)
