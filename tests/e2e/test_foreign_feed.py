"""`--feed none`: all that the engine knows of the market comes from somebody else's program, and it trades on it."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from libs.runtime.reader import Record, Start
from libs.schemas import ids
from tests.chaos.pipeline import until
from tests.e2e.running import Running, running
from tests.e2e.wire import RawPublisher

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]
GENERATE = "/api/v1/decisions/generate"
HISTORY = timedelta(hours=5)
FIRST = {"BTCUSDT": 103_000.0, "ETHUSDT": 3_400.0}
ACCOUNTS = {"aggressive": "5m", "scalping": "1m"}  # with the shortest timeframe of their strategies
SILENT = {"SOLUSDT", "BNBUSDT", "XRPUSDT"}
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
            sold = {"price": price(symbol, minutes), "size": 0.5}
            publisher.tick("market.tick", symbol=symbol, ts=at.isoformat(), source="mine", **sold)
    publisher.flush()
    return minutes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(tmp_path_factory.mktemp("feedless") / "state", feed="none") as made:
        yield made


async def decide(run: Running, **wish: Any) -> dict[str, Any]:
    async with run.api() as api:
        answer = await api.post(GENERATE, json=wish)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def why_not(run: Running, symbol: str) -> str:
    result = await decide(run, account_id="scalping", symbols=[symbol])
    assert (result["status"], result["decision"], result["orders"]) == ("rejected", None, [])
    return str(result["errors"][0])


async def test_without_fresh_ticks_a_request_ends_with_the_reason(run: Running) -> None:
    assert "no_market: no asset is fresh: XRPUSDT: no tick has come" in await why_not(run, "XRPUSDT")
    with run.publisher() as publisher:
        old = datetime.now(UTC) - timedelta(minutes=10)
        publisher.tick("market.tick", symbol="SOLUSDT", price=190, ts=old.isoformat())
        publisher.flush()
    async with asyncio.timeout(60):
        while "no tick has come" in (said := await why_not(run, "SOLUSDT")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert "SOLUSDT: the newest tick is 60" in said


async def test_past_and_fresh_ticks_of_somebody_else_are_a_whole_feed(run: Running) -> None:
    with run.publisher() as publisher:
        minutes = publish_past(publisher, datetime.now(UTC))
        for symbol in FIRST:  # and one as of now, without a time
            publisher.tick(f"market.tick.{symbol}", symbol=symbol, price=price(symbol, minutes), source="mine")
        publisher.flush()
    asked = {timeframe: await decide(run, account_id=name) for name, timeframe in ACCOUNTS.items()}

    contexts = [json.loads(record.data) for record in await run.stored("CONTEXTS", "context.built.*")]
    # The account's own interval may have come first: then its decision is the answer to the request, too.
    by_decision = {ids.decision_id(context["context_id"], "live"): context for context in contexts}
    for timeframe, result in asked.items():
        check(by_decision[result["decision_id"]], timeframe, minutes)
        assert {row["asset"] for row in result["decision"]["decisions"]} == {*FIRST, *SILENT}
    assert await run.stored("DEAD") == []
    assert run.pipeline.run.supervisor.restarts == 0


def check(context: dict[str, Any], timeframe: str, minutes: float) -> None:
    """Fresh symbols are there with indicators, the others are named, and market time is wall time."""
    assets = context["market_data"]["assets"]
    assert (set(assets), set(context["missing_symbols"])) == (set(FIRST), SILENT)
    for symbol, asset in assets.items():
        assert asset["current_price"] == price(symbol, minutes)
        found = asset["technical_indicators"]["interval"]
        assert (found["timeframe"], found["candles_used"] >= 59) == (timeframe, True)
        assert [len(found[name]) for name in ("ema_20", "ema_50", "macd", "rsi_14", "bb_upper", "atr_14")] == [10] * 6
    assert abs(datetime.fromisoformat(context["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_what_is_decided_on_them_is_traded_at_their_prices(run: Running) -> None:
    """Whether by the request above or by the account's own interval, which may come first."""
    filled: list[dict[str, Any]] = []

    def entries() -> bool:
        filled[:] = [body for body in map(_body, fills) if body["intent"]["leg"] == "entry"]
        return bool(filled)

    async with run.following("ORDERS", "order.filled.aggressive", start=Start.all()) as fills:
        try:
            await until(entries, "an entry is filled")
        except AssertionError as error:
            chain = [record for stream in ("DECISIONS", "ORDERS") for record in await run.stored(stream)]
            raise AssertionError("\n".join([str(error), *(f"{r.subject} {r.data.decode()}" for r in chain)])) from None
    for body in filled:
        first = FIRST[body["intent"]["symbol"]]
        assert abs(Decimal(body["fill"]["price"]) / Decimal(first) - 1) < Decimal("0.03")


def _body(record: Record) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(record.data)
    return body
