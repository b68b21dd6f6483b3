"""Bounds of the wire models: what they refuse, and that they say which field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from libs.schemas import ids
from libs.schemas.account import Account
from libs.schemas.decision import AssetDecision, DecisionProposed, OrderAdjustment, TradingDecision
from libs.schemas.market import Candle, MarketTick
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol

NOW = "2025-05-15T00:00:00Z"
CANDLE = {"symbol": "BTCUSDT", "timeframe": "1m", "open_time": NOW, "close_time": "2025-05-15T00:01:00Z"}
PRICES = {"open": 2.0, "high": 3.0, "low": 1.0, "close": 2.5, "volume": 1.0}
ASSET = {
    "asset": "BTCUSDT",
    "action": "hold",
    "exit_plan": "x",
    "rationale": "y",
    "confidence": 50,
    "risk_level": "low",
}


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        (MarketTick, {"symbol": "BTC/USDT", "price": 1}, "symbol"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 0}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": -1}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": True}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": "100"}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1e-300}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1e13}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1, "size": 1e18}, "size"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1, "open_interest": False}, "open_interest"),
        (MarketTick, {"symbol": "BTCUSDT", "price": float("nan")}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": float("inf")}, "price"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1, "ts": "2025-05-15T00:00:00"}, "ts"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1, "size": -1}, "size"),
        (MarketTick, {"symbol": "BTCUSDT", "price": 1, "bid": 3, "ask": 2}, "ask"),
        (MarketTick, {"symbol": "X" * 33, "price": 1}, "symbol"),
        (Candle, {**CANDLE, **PRICES, "low": 2.2}, ""),
        (Candle, {**CANDLE, **PRICES, "timeframe": "7m"}, "timeframe"),
        (Candle, {**CANDLE, **PRICES, "volume": True}, "volume"),
        (Candle, {**CANDLE, **PRICES, "volume": 1e18}, "volume"),
        (Candle, {**CANDLE, **PRICES, "close_time": NOW}, ""),
        (AssetDecision, {**ASSET, "surprise": 1}, "surprise"),
        (AssetDecision, {**ASSET, "action": "short"}, "action"),
        (AssetDecision, {**ASSET, "confidence": 101}, "confidence"),
        (AssetDecision, {**ASSET, "allocation_usd": float("inf")}, "allocation_usd"),
        (AssetDecision, {**ASSET, "leverage": 0.5}, "leverage"),
        (AssetDecision, {**ASSET, "key_factors": list("abcdef")}, "key_factors"),
        (OrderAdjustment, {}, ""),
        (OrderAdjustment, {"adjust_sl": True}, ""),
        (OrderAdjustment, {"adjust_sl": True, "cancel_sl": True, "new_sl_price": 1}, ""),
        (OrderAdjustment, {"adjust_tp": True, "cancel_tp": True, "new_tp_price": 1}, ""),
    ],
)
def test_a_bad_body_is_refused_and_the_field_named(model: type[BaseModel], body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == field


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused_in_json_too(token: str) -> None:
    with pytest.raises(ValidationError):
        MarketTick.model_validate_json(f'{{"symbol": "BTCUSDT", "price": {token}}}')


def test_wire_models_ignore_fields_of_a_newer_version_and_are_frozen() -> None:
    tick = MarketTick.model_validate({"symbol": "BTCUSDT", "price": 1, "colour": "red"})
    with pytest.raises(ValidationError):
        tick.price = 2.0  # type: ignore[misc]


def test_a_version_from_the_future_is_refused() -> None:
    with pytest.raises(ValidationError):
        MarketTick.model_validate({"symbol": "BTCUSDT", "price": 1, "schema_version": 2})


def test_times_become_utc() -> None:
    tick = MarketTick.model_validate({"symbol": "BTCUSDT", "price": 1, "ts": "2025-05-15T02:00:00+02:00"})
    assert tick.ts == datetime(2025, 5, 15, tzinfo=UTC)
    assert tick.ts is not None and tick.ts.utcoffset() == timedelta(0)


def test_a_time_that_utc_cannot_say_is_refused_like_any_bad_field() -> None:
    with pytest.raises(ValidationError, match="out of range in UTC"):
        MarketTick.model_validate({"symbol": "BTCUSDT", "price": 1, "ts": "0001-01-01T00:00:00+14:00"})


def test_a_proposal_without_a_decision_must_be_an_abstention() -> None:
    fields = {name: None for name in ("decision", "abstain_reason")}
    with pytest.raises(ValidationError):
        DecisionProposed.model_validate({"status": "proposed", **fields})


def test_a_decision_has_one_to_ten_assets() -> None:
    body = {"portfolio_rationale": "r", "total_allocation_usd": 0, "portfolio_risk_level": "low"}
    with pytest.raises(ValidationError):
        TradingDecision.model_validate({**body, "decisions": []})
    with pytest.raises(ValidationError):
        TradingDecision.model_validate({**body, "decisions": [ASSET] * 11})
    assert len(TradingDecision.model_validate({**body, "decisions": [ASSET] * 10}).decisions) == 10


@pytest.mark.parametrize("model", [Account, TradingStrategy, VenueSymbol])
def test_configuration_without_its_fields_is_refused(model: type[BaseModel]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate({})


def test_ids_repeat_for_the_same_cause_and_differ_for_others() -> None:
    context = ids.context_id("a", "interval:1m:60")
    assert context == ids.context_id("a", "interval:1m:60") != ids.context_id("b", "interval:1m:60")
    assert ids.decision_id(context, "live") != ids.decision_id(context, "shadow")
    order = ids.client_order_id("a", "dec-1", "BTCUSDT", "entry", 0)
    assert len(order) == 32 and set(order) <= set("0123456789abcdef")
    assert order != ids.client_order_id("a", "dec-1", "BTCUSDT", "entry", 1)


def test_parts_of_an_id_cannot_run_into_each_other() -> None:
    assert ids.context_id("ab", "c") != ids.context_id("a", "bc")
