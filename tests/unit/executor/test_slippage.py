"""What a taker pays: by the book and the volume of a minute, never by the amount of whatever trade came last."""

from decimal import Decimal as D
from itertools import pairwise
from typing import Any

import pytest

from libs.risk.marks import after_tick
from libs.schemas.market import MarketTick
from services.executor.domain.quote import taker_price
from services.feed.domain.bars import MinuteBar, bar_ticks
from services.feed.domain.live import ExchangeQuote, trade_tick, with_ticker
from tests import builders
from tests.fakes.executor_values import NOW, book, filters, instruction, market, quote
from tests.unit.executor.paper import fills, submitted

V2: dict[str, Any] = {"bid": 59_999.9, "ask": 60_000.1}
BTC: dict[str, Any] = {"half_spread_bps": D("0.1"), "slippage_bps": D("0.5")}


@pytest.mark.parametrize(
    ("seen", "quantity", "price"),
    [
        (V2, "0.5", "60003.2"),
        ({**V2, "size": 0.001}, "0.5", "60003.2"),
        ({**V2, "size": 40.0}, "0.5", "60003.2"),
        ({**V2, "span_volume": 50.0}, "0.5", "60009.2"),
        ({**V2, "span_volume": 50.0, "size": 0.001}, "0.5", "60009.2"),
        ({**V2, "span_volume": 3_000.0, "span_s": 3_600.0}, "0.5", "60009.2"),
        ({**V2, "volume_24h_quote": 4_320_000_000.0}, "0.5", "60009.2"),
        ({**V2, "span_volume": 50.0, "ask_size": 0.5}, "0.5", "60003.2"),
        ({**V2, "span_volume": 50.0, "ask_size": 0.3}, "0.5", "60006.9"),
        ({**V2, "ask_size": 0.1}, "0.5", "60123.2"),
        ({**V2, "span_volume": 0.0}, "0.5", "60603.2"),
        ({**V2, "span_volume": 0.0001}, "0.5", "60603.2"),
    ],
    ids=[
        "V2: nothing of volume",
        "V2: a last trade of a thousandth",
        "a last trade of forty",
        "a minute's volume",
        "a minute's volume and a last trade of a thousandth",
        "an hour's volume",
        "a day's volume",
        "all of it at the ask",
        "more than the ask holds",
        "only the ask is known",
        "nothing traded in the minute",
        "next to nothing traded in the minute",
    ],
)
def test_a_buy_is_charged_by_what_the_market_can_take(seen: dict[str, Any], quantity: str, price: str) -> None:
    at = quote(60_000, **seen)
    if "volume_24h_quote" in seen:
        assert at.minute_volume == D("50")
    assert taker_price(at, "buy", filters(**BTC), D(quantity)) == D(price)


def test_less_traded_never_makes_a_fill_cheaper_nor_does_more_depth_make_it_dearer() -> None:
    def paid(**seen: Any) -> D:
        return taker_price(quote(60_000, **V2, **seen), "buy", filters(), D(2))

    volumes = (0.0, 0.0001, 0.002, 1.0, 77.0, 5_000.0)
    depths = (0.001, 0.4, 1.9, 2.0, 30.0)
    assert all(more <= less for less, more in pairwise(paid(span_volume=v) for v in volumes))
    assert all(more <= less for less, more in pairwise(paid(span_volume=40.0, ask_size=d) for d in depths))


def test_a_recorded_and_a_live_tick_of_one_market_cost_the_same() -> None:
    bar = MinuteBar("BTCUSDT", NOW, 60_000, 60_000, 60_000, 60_000, 25.0)
    recorded = bar_ticks(bar, "file", None)[0]
    live = with_ticker(ExchangeQuote("BTCUSDT"), {"last": 60_000, "quoteVolume": 25 * 60_000 * 1_440})
    trade = trade_tick(live, {"price": 60_000, "timestamp": 1_772_452_800_000, "id": "7", "amount": 0.002}, "venue")
    assert trade is not None
    assert (recorded.size, trade.size) == (6.25, 0.002)
    costs = {_paid(tick) for tick in (recorded, trade)}
    assert costs == {D("60030.1")}


def _paid(tick: MarketTick) -> D:
    seen = tick.model_dump(include={"size", "span_volume", "span_s", "volume_24h_quote"}, exclude_none=True)
    return taker_price(quote(60_000, **seen), "buy", filters(), D("2.25"))


@pytest.mark.parametrize("quantity", ["0.01", "0.1", "0.2"])
def test_the_venue_fills_at_what_the_judge_was_told(quantity: str) -> None:
    """The mark that the validator keeps says the same of the market as the executor's quote."""
    tick = builders.tick(price=50_000.0, ts=NOW, span_volume=3.0, bid_size=0.02, ask_size=0.03)
    known = after_tick(None, tick)
    assert known is not None
    turn = submitted(
        book(), instruction(quantity=D(quantity)), quote(50_000, span_volume=3.0, bid_size=0.02, ask_size=0.03)
    )
    told = quote(50_000, span_volume=known.minute_volume, bid_size=known.bid_size, ask_size=known.ask_size)
    assert fills(turn) == [(f"{taker_price(told, 'buy', filters(), D(quantity)):f}", quantity)]
    assert market(told).quotes
