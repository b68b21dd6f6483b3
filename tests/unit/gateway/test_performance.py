"""Figures, comparisons, alerts and the audit trail through the API."""

from datetime import timedelta
from typing import Any

import pytest

from libs.analytics.alerts import of_abstentions
from libs.schemas.audit import AuditEvent
from services.gateway.domain.records import AuditEntry
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0
from tests.unit.analytics.samples import trade

BASE = "/api/v1"


def gateway(**profits: list[float]) -> Gateway:
    """Trades of the last hours by strategy, on beta."""
    made = Gateway()
    for name, values in profits.items():
        for n, pnl in enumerate(values):
            at = T0 - timedelta(minutes=len(values) - n)
            more = {
                "trade_id": f"{name}{n}",
                "strategy_id": name,
                "account_id": "beta",
                "opened_at": at,
                "closed_at": at,
            }
            made.analytics.rows.append(trade(n, pnl, **more))
    return made


@pytest.mark.parametrize(
    ("profits", "trades", "grade"), [([], 0, None), ([50.0], 1, "A"), ([-50.0], 1, "F"), ([50.0] * 40, 40, "A")]
)
async def test_an_account_has_figures_whatever_it_did(profits: list[float], trades: int, grade: str | None) -> None:
    found = (await gateway(steady=profits).call("GET", f"{BASE}/accounts/beta/performance?timeframe=24h")).json()
    assert (found["performance"]["trades"], found["enough_trades"]) == (trades, trades >= 30)
    assert (found["score"]["grade"] if found["score"] else None) == grade
    assert found["performance"]["opening_equity"] == "10000"


async def test_strategies_are_compared_over_one_period() -> None:
    made = gateway(steady=[10, -20] * 20, quick=[30, -10] * 20, few=[99.0] * 5)
    body: dict[str, Any] = {"strategy_ids": ["few", "steady", "quick"], "timeframe": "24h"}
    items = (await made.call("POST", f"{BASE}/strategies/compare", json=body)).json()["items"]
    assert [(one["performance"]["strategy_id"], one["enough_trades"]) for one in items] == [
        ("quick", True),
        ("steady", True),
        ("few", False),
    ]
    assert len({one["performance"]["period_end"] for one in items}) == 1


async def test_a_recommendation_says_when_there_is_not_enough_data() -> None:
    found = (await gateway(steady=[1.0] * 29).call("GET", f"{BASE}/strategies/recommendations/beta")).json()
    assert (found["verdict"], found["strategy_id"]) == ("not_enough_data", "steady")
    assert "29 closed trades" in found["reason"]


@pytest.mark.parametrize("timeframe", ["7", "0d", "7w", "-1d", "9999d", "d"])
async def test_a_period_is_hours_or_days(timeframe: str) -> None:
    answer = await gateway().call("GET", f"{BASE}/accounts/beta/performance?timeframe={timeframe}")
    assert answer.status_code == 422


async def test_other_accounts_figures_are_not_there() -> None:
    made = gateway(steady=[5.0])
    assert (await made.call("GET", f"{BASE}/accounts/alpha/performance", key="beta")).status_code == 404
    assert (await made.call("GET", f"{BASE}/strategies/none/performance")).status_code == 404
    body = {"strategy_ids": ["a", "b"], "account_ids": ["alpha"]}
    assert (await made.call("POST", f"{BASE}/strategies/compare", key="beta", json=body)).status_code == 404


async def test_an_alert_is_acknowledged_once_and_that_is_an_event() -> None:
    made = gateway()
    for name in ("alpha", "beta"):
        alert = of_abstentions(name, 9, 9, T0)
        assert alert is not None
        made.analytics.raised[alert.alert_id] = alert
    listed = (await made.call("GET", f"{BASE}/strategies/alerts?open=true", key="trader")).json()["items"]
    assert [one["account_id"] for one in listed] == ["beta"]
    path = f"{BASE}/alerts/{listed[0]['alert_id']}/acknowledge"
    assert (await made.call("POST", path, key="reader")).status_code == 403
    first = (await made.call("POST", path, key="trader")).json()
    assert first["acknowledged"]["by"].startswith("trader (key-")
    assert (await made.call("POST", path, key="admin")).json()["acknowledged"] == first["acknowledged"]
    (emit,) = made.log.published
    assert isinstance(emit.body, AuditEvent)
    assert (emit.subject, emit.body.what) == ("config.changed.alert.beta", "alert.acknowledged")
    other = next(one for one in made.analytics.raised.values() if one.account_id == "alpha")
    assert (await made.call("POST", f"{BASE}/alerts/{other.alert_id}/acknowledge", key="trader")).status_code == 404
    assert (await made.call("GET", f"{BASE}/strategies/alerts?open=true", key="trader")).json()["items"] == []


async def test_the_audit_trail_shows_a_key_its_own_accounts() -> None:
    made = gateway()
    for n, subject in enumerate(("account.alpha", "account.beta", "beta", "strategy.steady")):
        entry = AuditEntry(event_id=f"e{n}", kind="change", who="anna", what="x", subject=subject, why="y", at=T0)
        made.analytics.changes.append(entry)

    async def seen(key: str, query: str = "") -> list[str]:
        items = (await made.call("GET", f"{BASE}/audit{query}", key=key)).json()["items"]
        return [one["subject"] for one in items]

    assert await seen("beta") == ["account.beta", "beta"]
    assert await seen("beta", "?subject=account.alpha") == []
    assert len(await seen("admin")) == 4
    assert await seen("admin", "?subject=strategy.steady") == ["strategy.steady"]
