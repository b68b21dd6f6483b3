"""`--feed none`: all that the engine knows of the market comes from somebody else's program, and it trades on it."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.pipeline import until
from tests.e2e.running import Running, running
from tests.e2e.wire import RawPublisher

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]
HISTORY = timedelta(hours=5)
FIRST = {"BTCUSDT": 103_000.0, "ETHUSDT": 3_400.0}
EVERY = timedelta(seconds=15)


def price(symbol: str, minutes: float) -> float:
    """A quiet rise with waves in it: a trend that is not stretched, so that a rule has something to enter."""
    waves = 0.001 * math.sin(minutes / 30 * 2 * math.pi) + 0.0015 * math.sin(minutes / 9 * 2 * math.pi)
    return round(FIRST[symbol] * (1 + 8e-5 * minutes + waves), 2)


def history(now: datetime) -> Iterator[tuple[datetime, float]]:
    """Times and minutes since the first, to `now`; begins where a candle of five minutes does."""
    begin = datetime.fromtimestamp((now - HISTORY).timestamp() // 300 * 300, UTC)
    at = begin + EVERY / 3
    while at < now:
        yield at, (at - begin) / timedelta(minutes=1)
        at += EVERY


def publish_past(publisher: RawPublisher, now: datetime) -> float:
    """Hours of ticks with their times, two symbols in turn; returns the minutes that they cover."""
    minutes = 0.0
    for at, minutes in history(now):
        for symbol in FIRST:
            publisher.tick("market.tick", symbol=symbol, price=price(symbol, minutes), size=0.5, ts=at.isoformat())
    publisher.flush()
    return minutes


async def decide(run: Running, account: str) -> dict[str, Any]:
    async with run.api() as api:
        answer = await api.post("/api/v1/decisions/generate", json={"account_id": account})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


async def test_an_engine_without_a_feed_decides_and_trades_on_foreign_ticks_alone(tmp_path: Path) -> None:
    async with running(tmp_path / "state", feed="none") as run:
        with run.publisher() as publisher:
            begin = datetime.now(UTC)
            minutes = publish_past(publisher, begin)
            for symbol in FIRST:  # and one as of now, without a time
                publisher.tick(f"market.tick.{symbol}", symbol=symbol, price=price(symbol, minutes), source="mine")
            publisher.flush()
            results = {account: await decide(run, account) for account in ("aggressive", "scalping")}

        contexts = [json.loads(record.data) for record in await run.stored("CONTEXTS", "context.built.*")]
        by_request = {one["request"]["request_id"]: one for one in contexts}
        for account, shortest in (("aggressive", "5m"), ("scalping", "1m")):
            context = by_request[results[account]["request_id"]]
            assert set(context["market_data"]["assets"]) == set(FIRST)
            assert set(context["missing_symbols"]) == {"SOLUSDT", "BNBUSDT", "XRPUSDT"}
            for symbol, asset in context["market_data"]["assets"].items():
                assert asset["current_price"] == price(symbol, minutes)
                found = asset["technical_indicators"]["interval"]
                assert (found["timeframe"], found["candles_used"] >= 59) == (shortest, True)
                assert all(len(found[name]) == 10 for name in ("ema_20", "ema_50", "macd", "rsi_14", "atr_14"))
            now = datetime.fromisoformat(context["timestamp"])
            assert abs(now - datetime.now(UTC)) < timedelta(minutes=1), "market time is wall time"

        traded = results["aggressive"]
        assert traded["status"] in ("accepted", "partial"), traded
        assert {row["asset"] for row in traded["decision"]["decisions"]} == {*FIRST, *context["missing_symbols"]}
        entries = [order for order in traded["orders"] if order["leg"] == "entry"]
        assert entries
        for order in entries:
            assert order["state"] == "filled"
            paid = Decimal(order["average_price"]) / Decimal(str(price(order["symbol"], minutes)))
            assert abs(paid - 1) < Decimal("0.001")

        assert await run.stored("DEAD") == []
        assert run.pipeline.run.supervisor.restarts == 0


async def test_a_market_that_falls_silent_ends_requests_with_a_reason(tmp_path: Path) -> None:
    async with running(tmp_path / "state", feed="none") as run:
        nothing = await decide(run, "scalping")
        assert nothing["status"] == "rejected"
        assert nothing["errors"][0].startswith("no_market: no asset is fresh: BTCUSDT: no tick has come")
        with run.publisher() as publisher:
            old = datetime.now(UTC) - timedelta(minutes=10)
            publisher.tick("market.tick", symbol="BTCUSDT", price=103_000, ts=old.isoformat())
            publisher.flush()
            await until(lambda: True, "")
        silent = await decide(run, "scalping")
        assert "the newest tick is 600 s old" in silent["errors"][0] or "s old, at most" in silent["errors"][0]
