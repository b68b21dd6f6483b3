from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.schemas import ids
from libs.schemas.inflight import Holder, InFlight, Taken, Waiting
from libs.schemas.orders import PositionEvent
from libs.schemas.reasons import OrderReason
from services.context.domain.causes import NewestPrice, executed, first, funding_near, moved, request
from services.context.domain.triggers import Asked, fires
from tests import builders
from tests.builders import account, position, state
from tests.fakes.context_values import at
from tests.fakes.context_values import request as request_of

HOUR = timedelta(hours=1)
PRICED = account(price_trigger_pct=1.0, symbols=("BTCUSDT", "ETHUSDT"))


def taken(seconds: float = 0, version: int = 1, **prices: float) -> Taken:
    found = prices or {"BTCUSDT": 100.0, "ETHUSDT": 10.0}
    return Taken(request_id="r0", decision_id="dec-0", taken_at=at(seconds), account_version=version, prices=found)


def slot(last: Taken | None = None, *line: Waiting, holder: Holder | None = None) -> InFlight:
    return InFlight(account_id="acc1", last=last, line=line, holder=holder)


def holding(seconds: float, version: int = 1, **prices: float) -> Holder:
    base = taken(seconds, version, **prices).model_dump() | {"decision_id": "dec-1"}
    return Holder(**base, request=request_of(at(seconds)), deadline=at(seconds + 100))


def waiting(version: int = 0, **more: Any) -> Waiting:
    return Waiting(request=request_of(at(0), **more), account_version=version)


def quotes(seconds: float = 60, **prices: float) -> dict[str, NewestPrice]:
    return {symbol: NewestPrice(price, at(seconds)) for symbol, price in prices.items()}


MOVES: dict[str, tuple[InFlight | None, dict[str, NewestPrice], bool]] = {
    "up to the threshold": (slot(taken()), quotes(BTCUSDT=101.0), True),
    "down beyond it": (slot(taken()), quotes(BTCUSDT=98.0), True),
    "within it": (slot(taken()), quotes(BTCUSDT=100.99, ETHUSDT=9.91), False),
    "another symbol of the account": (slot(taken()), quotes(BTCUSDT=100.0, ETHUSDT=11.0), True),
    "a symbol that it does not trade": (slot(taken()), quotes(SOLUSDT=1.0), False),
    "no decision yet": (slot(), quotes(BTCUSDT=200.0), False),
    "no place yet": (None, quotes(BTCUSDT=200.0), False),
    "a price that the decision knew": (slot(taken(61)), quotes(BTCUSDT=200.0), False),
    "from the decision in flight": (slot(taken(), holder=holding(30, BTCUSDT=120.0)), quotes(BTCUSDT=120.5), False),
    "while a trigger waits": (slot(taken(), waiting()), quotes(BTCUSDT=120.0), False),
    "while a client waits": (slot(taken(), waiting(model="m")), quotes(BTCUSDT=120.0), True),
}


@pytest.mark.parametrize("case", MOVES)
def test_a_price_that_moved(case: str) -> None:
    place, seen, fired = MOVES[case]
    found = moved(PRICED, place, seen, HOUR, at(60))
    assert (found is not None) is fired
    if found:
        assert found.kind == "price" and found.facts_since == at(60)


def test_replicas_that_see_different_ticks_beyond_the_threshold_find_the_same_cause() -> None:
    one = moved(PRICED, slot(taken()), quotes(60, BTCUSDT=102.0), HOUR, at(60))
    other = moved(PRICED, slot(taken()), quotes(75, BTCUSDT=97.0), HOUR, at(75))
    assert one is not None and other is not None
    assert one.request_id == other.request_id
    assert one.cycle == ids.price_cycle("BTCUSDT", "dec-0")


def test_after_an_outage_the_interval_catches_up_and_not_every_price_at_once() -> None:
    assert moved(PRICED, slot(taken()), quotes(4_000, BTCUSDT=200.0), HOUR, at(4_000)) is None


def test_without_a_threshold_no_price_is_a_cause() -> None:
    assert moved(account(), slot(taken()), quotes(BTCUSDT=200.0), HOUR, at(60)) is None


def event(cause: OrderReason = OrderReason.STOP, version: int = 5) -> PositionEvent:
    return builders.position_event(
        "closed", event_id=f"acc1:{version}:0", account_version=version, cause=cause, decision_id="dec-0", at=at(50)
    )


@pytest.mark.parametrize("cause", list(OrderReason))
def test_executions_are_causes_and_own_entries_are_not(cause: OrderReason) -> None:
    found = executed(account(), event(cause), slot(taken()))
    assert (found is not None) is (cause in {OrderReason.STOP, OrderReason.TARGET, OrderReason.LIQUIDATION})
    if found:
        assert (found.cycle, found.account_version, found.at) == ("position:acc1:5:0", 5, at(50))


KNOWN: dict[str, tuple[InFlight, bool]] = {
    "the last decision": (slot(taken(version=5)), False),
    "the decision in flight": (slot(taken(), holder=holding(30, 5)), False),
    "a trigger that waits": (slot(taken(), waiting(5)), False),
    "nobody": (slot(taken(version=4), waiting(4)), True),
    "only a client with a wish of its own": (slot(taken(version=4), waiting(5, model="m")), True),
}


@pytest.mark.parametrize("case", KNOWN)
def test_an_execution_is_a_cause_unless_it_is_known_to(case: str) -> None:
    place, fired = KNOWN[case]
    assert (executed(account(), event(), place) is not None) is fired


FUNDED = account(funding_near_min=10)
HELD = state(positions=(position(),))
DUE = at(3_600)

NEAR: dict[str, tuple[float, InFlight | None, datetime | None, bool]] = {
    "eleven minutes before": (2_940, slot(taken()), DUE, False),
    "ten minutes before": (3_000, slot(taken()), DUE, True),
    "at the time": (3_600, slot(taken()), DUE, False),
    "decided since it was near": (3_100, slot(taken(3_001)), DUE, False),
    "a trigger waits": (3_000, slot(taken(), waiting()), DUE, False),
    "nobody knows when": (3_000, slot(taken()), None, False),
    "never decided": (3_000, None, DUE, True),
}


@pytest.mark.parametrize("case", NEAR)
def test_funding_of_an_open_position(case: str) -> None:
    seconds, place, due, fired = NEAR[case]
    found = funding_near(FUNDED, HELD, place, lambda symbol: due, at(seconds))
    assert (found is not None) is fired
    if found:
        assert (found.cycle, found.at) == (ids.funding_cycle("BTCUSDT", DUE), at(3_000))


def test_without_a_position_funding_is_no_cause() -> None:
    assert funding_near(FUNDED, state(), slot(taken()), lambda symbol: DUE, at(3_000)) is None
    assert funding_near(account(), HELD, slot(taken()), lambda symbol: DUE, at(3_000)) is None


FIRES: dict[str, tuple[float, int, Asked | None, float | None]] = {
    "at once": (50, 0, None, 50),
    "a moment later": (100, 0, None, 50),
    "never when it is too old": (111, 0, None, None),
    "not within the pause": (60, 100, Asked(None, at(20)), None),
    "at its end": (120, 100, Asked(None, at(20)), 120),
    "a moment after its end": (150, 100, Asked(None, at(20)), 120),
    "never long after its end": (181, 100, Asked(None, at(20)), None),
    "not twice": (60, 0, Asked(None, at(50), "same"), None),
}


@pytest.mark.parametrize("case", FIRES)
def test_a_cause_fires(case: str) -> None:
    seconds, pause, asked, planned = FIRES[case]
    cause = executed(account(), event(), slot(taken()))
    assert cause is not None
    if asked is not None and asked.latest == "same":
        asked = Asked(asked.cycle, asked.at, cause.request_id)
    found = fires(cause, account(min_seconds_between_decisions=pause), "15m", asked, at(seconds))
    assert found == (None if planned is None else at(planned))


def test_an_account_that_is_paused_fires_nothing() -> None:
    cause = executed(account(), event(), slot(taken()))
    assert cause is not None
    assert fires(cause, account(status="paused"), "15m", None, at(50)) is None


def test_a_request_carries_what_it_has_to_be_answered_from() -> None:
    cause = first([None, executed(account(), event(), slot(taken()))])
    assert cause is not None
    body = request(cause, at(50), at(950))
    assert (body.account_version, body.facts_since, body.trigger.kind) == (5, at(50), "position")
    assert body.request_id == ids.trigger_request_id("acc1", "position:acc1:5:0")
