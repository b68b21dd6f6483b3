"""What is kept of a decision that was asked for over HTTP, looked at again."""

import json
from datetime import datetime, timedelta

import httpx
import pytest

from tests.e2e.trading.asked import DECISIONS, GENERATE, MINE, Body, Traded, record_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]


async def test_the_record_holds_everything_that_led_to_the_orders(api: httpx.AsyncClient, traded: Traded) -> None:
    result = traded.result
    record = await record_of(api, result["decision_id"], orders=len(result["orders"]))
    assert record["request"]["trigger"]["kind"] == record["trigger"]["kind"] == "api"
    assert record["context"]["context_id"] == record["context_id"]
    assert record["context"]["market_data"]["assets"]["BTCUSDT"]["technical_indicators"]["interval"]["ema_20"]
    (call,) = record["calls"]
    assert call["system_prompt"] and "<data>" in call["user_prompt"]
    assert json.loads(call["raw_response"])["decisions"]
    assert (call["model_requested"], call["outcome"]) == ("builtin/trend", "ok")
    assert record["decision"] == result["decision"]
    assert record["verdicts"] == result["verdicts"]
    assert record["facts_at_proposal"]["assets"].keys() == record["facts_at_validation"]["assets"].keys()
    assert {order["client_order_id"] for order in result["orders"]} <= {
        order["client_order_id"] for order in record["orders"]
    }
    assert record["fills"]
    assert {fill["client_order_id"] for fill in record["fills"]} <= {
        order["client_order_id"] for order in record["orders"]
    }


async def test_the_history_pages_newest_first_and_holds_each_decision_once(
    api: httpx.AsyncClient, traded: Traded
) -> None:
    for _ in range(3):
        answer = await api.post(GENERATE, json={"account_id": MINE, "force_refresh": True})
        await record_of(api, answer.json()["decision_id"])
    seen: list[Body] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get(f"{DECISIONS}/history", params={"account_id": MINE, "limit": "2", **cursor})).json()
        assert len(page["items"]) == 2 or page["next"] is None
        seen += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) >= 4
    assert len({entry["decision_id"] for entry in seen}) == len(seen)
    assert [entry["created_at"] for entry in seen] == sorted((entry["created_at"] for entry in seen), reverse=True)
    assert {entry["account_id"] for entry in seen} == {MINE}
    assert traded.result["decision_id"] in {entry["decision_id"] for entry in seen}
    accepted = await api.get(f"{DECISIONS}/history", params={"account_id": MINE, "status": traded.result["status"]})
    assert {entry["status"] for entry in accepted.json()["items"]} == {traded.result["status"]}


async def test_equity_is_known_over_time_not_only_where_it_traded(api: httpx.AsyncClient, traded: Traded) -> None:
    for _ in range(2):
        last = (await api.post(GENERATE, json={"account_id": MINE})).json()
        await record_of(api, last["decision_id"])
    points = (await api.get(f"/api/v1/accounts/{MINE}/equity")).json()["items"]
    times = [datetime.fromisoformat(point["at"]) for point in points]
    assert times == sorted(times, reverse=True)
    assert abs(times[0] - datetime.fromisoformat(last["created_at"])) < timedelta(minutes=5)
    assert {point["source"] for point in points} == {"context", "position"}
    assert len({point["equity"] for point in points if point["source"] == "context"}) > 1
