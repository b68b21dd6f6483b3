"""What became of decisions follows from their ends and the log of candles alone, in whatever order it is learnt."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from libs.records.collections import OUTCOMES, TRADES
from libs.schemas.base import Timeframe
from libs.schemas.market import Candle
from libs.schemas.orders import PositionEvent
from libs.schemas.reasons import OrderReason, RejectReason
from libs.schemas.verdict import DecisionValidated
from services.ledger.application.outcomes import OutcomeDesk
from services.ledger.domain.candles import MOST, CandleBook
from services.ledger.domain.outcomes import NO_PRICE, OutcomeDue, PathSeen, PriceAfter
from services.ledger.domain.project import project
from services.ledger.metrics import LedgerMetrics
from tests import builders
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_outcomes import FakeOutcomes, outcome_desk
from tests.fakes.ledger_store import Document, FakeStore

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SYMBOL = "BTCUSDT"


TIMEFRAMES: dict[int, Timeframe] = {1: "1m", 60: "1h"}


def price_at(at: datetime) -> float:
    """The market rises by 60 an hour."""
    return 60_000 + (at - T0) / MINUTE


def candles(begin: float, end: float, minutes: int = 1) -> list[Candle]:
    """From minute to minute, each with a wick of 5."""
    made = []
    for n in range(int(begin), int(end), minutes):
        opened, price = T0 + n * MINUTE, price_at(T0 + (n + minutes) * MINUTE)
        made.append(builders.candle(SYMBOL, TIMEFRAMES[minutes], opened, price, high=price + 5, low=price - 5))
    return made


DAY = candles(-5, 24 * 60 + 50)  # of minutes, as many as the log holds


def book(of: Iterable[Candle]) -> CandleBook:
    made = CandleBook()
    for one in of:
        made.add(one)
    return made


def desk(store: FakeStore, market: CandleBook) -> OutcomeDesk:
    return outcome_desk(FakeOutcomes(store), market)


def stored(*bodies: Any) -> FakeStore:
    made = FakeStore()
    for body in bodies:
        made.apply_now(project(body, T0))
    return made


def followed_asset(store: FakeStore) -> Document:
    """What is known of the asset of the chain's decision."""
    asset: Document = store.collections[OUTCOMES][Chain().decision_id]["assets"][SYMBOL]
    return asset


async def followed(market: CandleBook, *bodies: Any) -> Document:
    """The outcome of the chain's decision, once nothing more is to be learnt."""
    store = stored(*bodies)
    while await desk(store, market).once():
        pass
    return followed_asset(store)


def judged(**changes: Any) -> DecisionValidated:
    return Chain().validated().model_copy(update=changes)


def held(kind: str, at: float, pnl: str = "0", cause: OrderReason = OrderReason.DECISION) -> PositionEvent:
    position = builders.position(
        SYMBOL, quantity=Decimal("0.1"), entry_price=Decimal(60_000), margin=Decimal(600), opened_at=T0 + MINUTE
    )
    before, after = (None, position) if kind == "opened" else (position, None)
    return builders.position_event(
        kind, event_id=kind, before=before, after=after, realized_pnl=Decimal(pnl), cause=cause, at=T0 + at * MINUTE
    )


async def test_the_prices_after_each_horizon_are_kept_as_the_market_comes_so_far() -> None:
    store, market = stored(judged()), CandleBook()
    row = followed_asset(store)
    seen = []
    for candle in candles(-5, 25 * 60):
        market.add(candle)
        if await desk(store, market).once():
            seen.append(((candle.close_time - T0) / MINUTE, sorted(row["after"])))
    assert seen == [(63, ["1h"]), (243, ["1h", "4h"]), (1443, ["1h", "24h", "4h"])]
    assert row["after"] == {"1h": 60_060.0, "4h": 60_240.0, "24h": 61_440.0}
    assert (row["unknown"], row["price"], row["sign"]) == ({}, 60_000.0, 1)
    assert store.collections[OUTCOMES][Chain().decision_id]["due"] == []


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_the_order_and_whoever_looks_the_documents_are_the_same(seed: int) -> None:
    order = random.Random(seed)
    bodies = [judged(), Chain().rejected(), held("opened", 1), held("closed", 90, "8", OrderReason.TARGET)] * 2
    order.shuffle(bodies)
    market, store = CandleBook(), FakeStore()
    late = iter(bodies)
    for n, candle in enumerate(DAY):
        market.add(candle)
        if n % 150 == 0 and (body := next(late, None)):
            store.apply_now(project(body, T0))
        if order.random() < 0.05:
            for _ in range(order.randint(1, 2)):
                await desk(store, market).once()
    for body in late:
        store.apply_now(project(body, T0))
    while await desk(store, market).once():
        pass
    whole = stored(*bodies)
    while await desk(whole, book(DAY)).once():
        pass
    assert store.comparable()[OUTCOMES] == whole.comparable()[OUTCOMES]
    assert store.comparable()[TRADES] == whole.comparable()[TRADES]


async def test_an_end_that_outranks_another_is_followed_from_its_own_time() -> None:
    denied = (
        Chain()
        .rejected(RejectReason.NOTHING_PASSED, 30 * 60)
        .model_copy(update={"decision": Chain().decision(), "prices_at_validation": {SYMBOL: 60_030.0}})
    )
    market = book(candles(-5, 100))
    store = stored(denied)
    await desk(store, market).once()
    assert followed_asset(store)["after"] == {"1h": 60_090.0}
    store.apply_now(project(judged(), T0))
    assert followed_asset(store)["after"] == {}
    await desk(store, market).once()
    store.apply_now(project(denied, T0))
    row = followed_asset(store)
    assert (row["after"], row["price"]) == ({"1h": 60_060.0}, 60_000.0)


async def test_a_gap_is_waited_for_until_the_market_went_on_for_an_hour_behind_it() -> None:
    gap = [*candles(-5, 30), *candles(75, 135)]
    row = await followed(book(gap), judged())
    assert (row["after"], row["unknown"]) == ({}, {})
    row = await followed(book([*gap, *candles(135, 136)]), judged())
    assert (row["after"], row["unknown"]) == ({}, {"1h": "no candle closed within 5 minutes before its time"})


async def test_after_a_long_outage_the_old_candles_may_come_behind_the_live_ones() -> None:
    store, market = stored(judged()), book([*candles(-5, 30), *candles(600, 602)])
    assert await desk(store, market).once() == 0
    for candle in candles(30, 600):
        market.add(candle)
    assert await desk(store, market).once() == 1
    assert followed_asset(store)["after"] == {"1h": 60_060.0}


class AskedOutcomes(FakeOutcomes):
    """Remembers the symbols that it was last asked for."""

    symbols: frozenset[str] = frozenset()

    async def due(self, come: Mapping[str, datetime]) -> list[OutcomeDue]:
        self.symbols = frozenset(come)
        return await super().due(come)


async def test_a_market_that_told_nothing_is_in_nobodys_way_until_it_goes_on() -> None:
    store = AskedOutcomes(stored(judged()))
    market = book([*candles(-5, 30), *candles(75, 80), builders.candle("ETHUSDT", "1m", T0)])
    one_desk = outcome_desk(store, market)
    seen = []
    for _ in range(2):
        assert await one_desk.once() == 0
        seen.append(store.symbols)
    market.add(builders.candle(SYMBOL, "1m", T0 + 80 * MINUTE))
    await one_desk.once()
    assert [*seen, store.symbols] == [{SYMBOL, "ETHUSDT"}, {"ETHUSDT"}, {SYMBOL, "ETHUSDT"}]


async def test_after_a_downtime_the_log_tells_what_it_still_holds_and_the_rest_is_said() -> None:
    row = await followed(book([*candles(180, 30 * 60, 60), *candles(28 * 60, 30 * 60)]), judged())
    assert row["after"] == {"4h": 60_240.0, "24h": 61_440.0}
    assert row["unknown"] == {"1h": "the log of candles no longer went back so far"}


async def test_what_had_no_price_is_unknown_and_what_is_no_entry_has_no_sign() -> None:
    row = await followed(book(candles(-5, 100)), judged(prices_at_validation={}))
    assert (row["after"], row["unknown"]) == ({}, dict.fromkeys(("1h", "4h", "24h"), NO_PRICE))
    hold = builders.decision(builders.row(SYMBOL, "hold", confidence=None))
    row = await followed(book(candles(-5, 100)), judged(decision=hold, status="hold"))
    assert (row["sign"], row["after"], row["confidence"]) == (0, {"1h": 60_060.0}, None)


async def test_nothing_is_followed_of_an_end_without_a_decision() -> None:
    assert OUTCOMES not in stored(Chain().rejected()).collections


async def test_the_path_of_a_trade_is_seen_once_it_is_closed() -> None:
    store = stored(held("opened", 1), held("closed", 90, "8", OrderReason.TARGET))
    assert await desk(store, book(candles(-5, 91))).once() == 0
    assert await desk(store, book(candles(-5, 93))).once() == 1
    (trade,) = store.collections[TRADES].values()
    assert (trade["path_known"], trade["ended_by"], trade["exit_price"]) == (True, "target", Decimal(60_080))
    assert (trade["mfe"], trade["mae"]) == pytest.approx((95 / 600, -3 / 600))
    assert await desk(store, book(candles(-5, 300))).once() == 0


async def test_a_path_that_candles_do_not_tell_is_unknown_after_an_hour() -> None:
    store = stored(held("opened", 1), held("closed", 90, "8"))
    with_gap = [*candles(-5, 30), *candles(80, 140)]
    assert await desk(store, book(with_gap)).once() == 0
    assert await desk(store, book([*with_gap, *candles(140, 152)])).once() == 1
    (trade,) = store.collections[TRADES].values()
    assert (trade["path_known"], "mfe" in trade) == (False, False)


def test_of_two_candles_of_a_minute_that_of_the_feed_counts_and_of_two_of_it_the_newer() -> None:
    def told(price: float, **more: Any) -> Candle:
        return builders.candle(SYMBOL, "1m", T0, price, **more)

    made = book([told(1, origin="context"), told(2), told(3, origin="context")])
    assert made.bars(SYMBOL)[0].close == 2
    made.add(told(4, revision=1))
    assert [bar.close for bar in made.bars(SYMBOL)] == [4]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_closes_of_one_time_that_of_the_finer_candle_counts(order: int) -> None:
    both = [builders.candle(SYMBOL, "1m", T0 + 59 * MINUTE, 7.0), builders.candle(SYMBOL, "1h", T0, 8.0)]
    assert book(both[::order]).closes(SYMBOL).prices == (7.0,)


def test_a_book_holds_no_more_than_the_log_does() -> None:
    made = book(candles(0, MOST + 10))
    assert len(made.bars(SYMBOL)) == MOST
    assert made.bars(SYMBOL)[0].open_time == T0 + 10 * MINUTE
    assert made.newest() == {SYMBOL: T0 + (MOST + 10) * MINUTE}


class DyingOutcomes(FakeOutcomes):
    """Writes some of what it is told and is gone."""

    written = 0

    async def learn(self, prices: Sequence[PriceAfter], paths: Sequence[PathSeen]) -> None:
        await super().learn(prices[: self.written], paths[: max(0, self.written - len(prices))])
        raise ConnectionError("gone")


@pytest.mark.parametrize("written", range(5))
async def test_what_a_ledger_left_half_written_the_next_one_finishes(written: int) -> None:
    twin = Chain(account="beta", request_id="r2")
    bodies = [judged(), twin.validated(), held("opened", 1), held("closed", 30, "8")]
    store, market = stored(*bodies), book(candles(-5, 100))
    dying = DyingOutcomes(store)
    dying.written = written
    with pytest.raises(ConnectionError):
        await outcome_desk(dying, market).once()
    while await desk(store, market).once():
        pass
    whole = stored(*bodies)
    while await desk(whole, market).once():
        pass
    assert store.comparable() == whole.comparable()
    known = [row["assets"][SYMBOL]["after"] for row in whole.collections[OUTCOMES].values()]
    assert known == [{"1h": 60_060.0}] * 2


async def test_what_candles_told_and_what_not_is_counted() -> None:
    registry = CollectorRegistry()
    store = stored(judged(), held("opened", 1), held("closed", 30, "8"))
    with_gap = [*candles(-5, 40), *candles(75, 140)]
    await OutcomeDesk(FakeOutcomes(store), book(with_gap), LedgerMetrics(registry)).once()
    for kind, known, count in (("price", "no", 1.0), ("path", "yes", 1.0)):
        assert registry.get_sample_value("perpetua_ledger_outcomes_total", {"kind": kind, "known": known}) == count
