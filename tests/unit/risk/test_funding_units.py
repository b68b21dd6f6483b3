"""A rate is compared per 8 hours, whatever its interval is: from the ticks to the receipt."""

from datetime import timedelta
from typing import Any

import pytest

from libs.risk.facts import facts_of
from libs.risk.marks import Mark, after_tick
from tests.builders.market import tick
from tests.fakes.validator_values import proposal, state
from tests.unit.risk.samples import NOW, facts, limits, one, reasons, row, strategy

BOUNDS = limits(strategy(max_funding_rate_bps=15))


def mark(*ticks: dict[str, float]) -> Mark:
    """After ticks of funding: `rate`, and hours until the next boundary (`due`) or the interval as told (`hours`)."""
    known: Mark | None = None
    for n, told in enumerate(ticks):
        changes: dict[str, Any] = {"funding_interval_hours": told["hours"]} if "hours" in told else {}
        due = NOW + timedelta(hours=told.get("due", 3))
        at = NOW + timedelta(seconds=n)
        known = after_tick(known, tick(ts=at, funding_rate=told["rate"], next_funding_time=due, **changes))
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("ticks", "said"),
    [
        pytest.param(
            [{"rate": 0.0006, "due": 1}, {"rate": 0.0006, "due": 2}],
            "funding costs 48.00 bps per 8 h (6.00 per 1 h), the limit is 15",
            id="M10: the boundary moves by an hour",
        ),
        pytest.param(
            [{"rate": 0.0004, "hours": 1.0}],
            "funding costs 32.00 bps per 8 h (4.00 per 1 h), the limit is 15",
            id="ccxt#12024: the tick says so",
        ),
        pytest.param(
            [{"rate": 0.0009, "hours": 4.0}],
            "funding costs 18.00 bps per 8 h (9.00 per 4 h), the limit is 15",
            id="every four hours",
        ),
        pytest.param([{"rate": 0.0008}], None, id="nobody says: as per 8 hours"),
        pytest.param([{"rate": 0.0016}], "funding costs 16.00 bps per 8 h, the limit is 15", id="of 8 hours"),
        pytest.param([{"rate": 0.003, "hours": 24.0}], None, id="of a whole day"),
        pytest.param(
            [{"rate": 0.0008, "due": 8}, {"rate": 0.0008, "due": 10}, {"rate": 0.0003, "due": 11}],
            "funding costs 24.00 bps per 8 h (3.00 per 1 h), the limit is 15",
            id="8 becomes 2 becomes 1",
        ),
        pytest.param([{"rate": 0.0008, "hours": 1.0}, {"rate": 0.0008, "hours": 8.0}], None, id="1 becomes 8 again"),
        pytest.param([{"rate": -0.0008, "hours": 1.0}], None, id="it pays the buyer"),
    ],
)
def test_the_limit_is_per_8_hours_and_the_receipt_says_both(ticks: list[dict[str, float]], said: str | None) -> None:
    known = mark(*ticks)
    market = facts(funding_rate=known.funding_rate, funding_interval_hours=known.funding_interval_hours)
    verdict = one(row(), market=market, bounds=BOUNDS)
    denials = [receipt.message for receipt in verdict.receipts if receipt.effect == "deny"]
    assert denials == ([] if said is None else [said])


@pytest.mark.parametrize(("hours", "denied"), [(1.0, True), (2.0, True), (4.0, True), (8.0, False), (None, False)])
def test_the_threshold_near_funding_is_per_8_hours_too(hours: float | None, denied: bool) -> None:
    due = NOW + timedelta(minutes=4)
    market = facts(funding_rate=0.0003, funding_interval_hours=hours, next_funding_time=due)
    bounds = limits(strategy(max_funding_rate_bps=100))
    assert reasons(one(row(), market=market, bounds=bounds)) == (["funding_near"] if denied else [])


def test_the_interval_goes_from_the_tick_into_the_facts_or_stays_the_contexts() -> None:
    given = proposal()
    asset = given.facts.assets["BTCUSDT"].model_copy(update={"funding_interval_hours": 2.0})
    given = given.model_copy(update={"facts": given.facts.model_copy(update={"assets": {"BTCUSDT": asset}})})
    for ticks, hours in (({"rate": 0.0001, "hours": 4.0}, 4.0), ({"rate": 0.0001}, 2.0)):
        seen = facts_of(given, state(), {"BTCUSDT": mark(ticks)}, NOW, 45)
        assert seen.assets["BTCUSDT"].funding_interval_hours == hours
