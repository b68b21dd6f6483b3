import pytest
from prometheus_client import CollectorRegistry

from libs.runtime.errors import Unavailable
from libs.schemas.market import Candle
from services.context.adapters.candles import OwnCandles
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from services.context.metrics import Metrics
from tests.fakes.clock import ReadClock
from tests.fakes.context_ports import FakePublisher
from tests.fakes.context_values import T0, at, candle, tick


class Bench:
    def __init__(self) -> None:
        self.market, self.publisher, self.clock = MarketState(Bounds()), FakePublisher(), ReadClock(T0)
        metrics = Metrics(CollectorRegistry())
        self.own = OwnCandles(self.market, self.publisher, self.clock, metrics, wait=1.0)
        self.market.on_tick(tick(0, 10), 1)
        self.market.close_due(at(62))

    def later(self) -> None:
        self.clock.read += 2.0


async def test_a_candle_that_the_feed_does_not_bring_is_published_after_the_wait() -> None:
    bench = Bench()
    await bench.own.publish_due()
    assert bench.publisher.emitted == []
    bench.later()
    await bench.own.publish_due()
    await bench.own.publish_due()
    (emit,) = bench.publisher.emitted
    assert emit.subject == "market.candle.BTCUSDT.1m"
    assert isinstance(emit.body, Candle)
    assert (emit.body.open_time, emit.body.close_time, emit.body.close) == (at(0), at(60), 10)


@pytest.mark.parametrize("source", [Source.FEED, Source.LOGGED])
async def test_a_candle_that_is_in_the_log_is_not_published(source: Source) -> None:
    bench = Bench()
    await bench.own.publish_due()
    bench.market.on_candle(candle(0, 10), source)
    bench.later()
    await bench.own.publish_due()
    assert bench.publisher.emitted == []


async def test_candles_wait_while_nats_is_away() -> None:
    bench = Bench()
    await bench.own.publish_due()
    bench.later()
    bench.publisher.away = True
    with pytest.raises(Unavailable):
        await bench.own.publish_due()
    bench.publisher.away = False
    await bench.own.publish_due()
    assert len(bench.publisher.emitted) == 1


async def test_sizes_that_add_up_to_more_than_a_candle_may_say_do_not_end_the_worker() -> None:
    bench = Bench()
    for n in (1, 2):
        bench.market.on_tick(tick(60 + n, 1e9, size=9e14), 1 + n)
    bench.market.on_tick(tick(130, 11), 4)
    bench.market.close_due(at(182))
    await bench.own.publish_due()
    bench.later()
    await bench.own.publish_due()
    opened = [emit.body.open_time for emit in bench.publisher.emitted if isinstance(emit.body, Candle)]
    assert opened == [at(0), at(120)]
