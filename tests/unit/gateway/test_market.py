"""Market data over HTTP: ticks onto the bus, the newest of them, candles."""

from datetime import timedelta
from typing import Any

import pytest

from libs.schemas.market import Candle, MarketTick
from tests import builders
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0

BASE = "/api/v1/market"
PUBLISHER = "publisher"


def tick(**fields: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "price": 64_250.5, "source": "mine"} | fields


async def test_ticks_are_published_in_their_order() -> None:
    gateway = Gateway()
    sent = [tick(tick_id="1"), tick(tick_id="2", symbol="ETHUSDT"), tick(tick_id="3")]
    answer = await gateway.call("POST", f"{BASE}/ticks", json={"ticks": sent})
    assert (answer.status_code, answer.json()) == (202, {"taken": 3})
    assert [emit.subject for emit in gateway.log.published] == [
        "market.tick.BTCUSDT",
        "market.tick.ETHUSDT",
        "market.tick.BTCUSDT",
    ]
    assert [emit.body.message_id() for emit in gateway.log.published] == ["1", "2", "3"]


async def test_an_idempotency_key_names_the_ticks_that_have_no_name() -> None:
    gateway = Gateway()
    sent, headers = [tick(), tick(tick_id="mine"), tick()], {"Idempotency-Key": "batch-1"}
    for _ in range(2):
        answer = await gateway.call("POST", f"{BASE}/ticks", json={"ticks": sent}, headers=headers)
        assert (answer.status_code, answer.json()) == (202, {"taken": 3})
    names = [emit.body.message_id() for emit in gateway.log.published]
    assert (len(names), len(set(names)), names[1]) == (3, 3, "mine")
    other = await gateway.call("POST", f"{BASE}/ticks", json={"ticks": sent[:1]}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:perpetua:problem:idempotency-key-reused")


async def test_a_list_of_wrong_ticks_is_not_too_short_besides() -> None:
    answer = await Gateway().call("POST", f"{BASE}/ticks", json={"ticks": [tick(symbol="BTC/USDT:USDT")]})
    assert [error["code"] for error in answer.json()["errors"]] == ["misspelled"]
    empty = await Gateway().call("POST", f"{BASE}/ticks", json={"ticks": []})
    assert [error["code"] for error in empty.json()["errors"]] == ["too_short"]


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"price": -1}, "body.ticks.1.price", "greater_than"),
        ({"price": True}, "body.ticks.1.price", "float_type"),
        ({"symbol": "*"}, "body.ticks.1.symbol", "string_pattern_mismatch"),
        ({"symbol": "BTC-USDT"}, "body.ticks.1.symbol", "misspelled"),
        ({"symbol": "LUNA2/USDT:USDT"}, "body.ticks.1.symbol", "misspelled"),
        ({"ts": (T0 + timedelta(seconds=6)).isoformat()}, "body.ticks.1.ts", "future"),
        ({"bid": 2.0, "ask": 1.0}, "body.ticks.1.ask", "value_error"),
    ],
)
async def test_of_ticks_with_a_wrong_one_none_is_published(wrong: dict[str, Any], field: str, code: str) -> None:
    gateway = Gateway()
    answer = await gateway.call("POST", f"{BASE}/ticks", json={"ticks": [tick(), tick(**wrong)]})
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert gateway.log.published == []


async def test_the_newest_tick_is_told_with_its_age() -> None:
    gateway = Gateway()
    gateway.market.ticks["BTCUSDT"] = MarketTick(symbol="BTCUSDT", price=64_000.0, ts=T0)
    gateway.clock.advance(12)
    found = (await gateway.call("GET", f"{BASE}/BTCUSDT", key="beta")).json()
    assert (found["tick"]["price"], found["age_seconds"]) == (64_000.0, 12.0)
    assert (await gateway.call("GET", f"{BASE}/ETHUSDT")).status_code == 404


async def test_candles_are_of_one_symbol_and_timeframe() -> None:
    gateway = Gateway()
    gateway.market.closed = [
        Candle(
            symbol="BTCUSDT",
            timeframe="5m",
            open_time=T0 + timedelta(minutes=5 * n),
            close_time=T0 + timedelta(minutes=5 * n + 5),
            **{"open": 10, "high": 12, "low": 9, "close": 11, "volume": 3},
        )
        for n in range(3)
    ]
    found = (await gateway.call("GET", f"{BASE}/BTCUSDT/candles?timeframe=5m&limit=2")).json()
    assert [item["open_time"] for item in found["items"]] == ["2026-11-20T12:05:00Z", "2026-11-20T12:10:00Z"]
    assert (await gateway.call("GET", f"{BASE}/BTCUSDT/candles?timeframe=2m")).status_code == 422


async def test_the_rules_of_a_market_say_its_tick_and_its_step() -> None:
    gateway = Gateway()
    gateway.accounts.rules["paper", "BTCUSDT"] = builders.venue(tick_size="0.1", lot_size="0.001")
    answer = (await gateway.call("GET", f"{BASE}/BTCUSDT/rules")).json()
    assert (answer["tick_size"], answer["lot_size"]) == ("0.1", "0.001")
    assert (await gateway.call("GET", f"{BASE}/BTCUSDT/rules", params={"venue": "elsewhere"})).status_code == 404
