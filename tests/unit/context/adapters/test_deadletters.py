from faststream.nats import NatsBroker
from prometheus_client import CollectorRegistry

from libs.runtime.bus import Bus
from libs.runtime.reader import Record
from libs.runtime.ticks import BadTick
from libs.schemas.reasons import DeadLetterCode
from services.context.adapters.deadletters import DeadTicks
from services.context.metrics import Metrics
from tests.fakes.clock import ReadClock
from tests.fakes.context_values import T0


def test_a_flood_of_bad_ticks_fills_the_queue_and_the_rest_is_counted_as_dropped() -> None:
    registry = CollectorRegistry()
    dead = DeadTicks(Bus(NatsBroker(), "context"), ReadClock(T0), Metrics(registry), size=3)
    for sequence in range(1, 11):
        record = Record("market.tick.BTCUSDT", b"{", sequence, None, 0)
        dead.take(BadTick(record, DeadLetterCode.MALFORMED, None, "no JSON"))
    assert registry.get_sample_value("perpetua_context_dead_letters_total", {"outcome": "dropped"}) == 7


def test_what_waits_is_the_beginning_of_a_large_body_and_no_more_than_fits() -> None:
    registry = CollectorRegistry()
    dead = DeadTicks(Bus(NatsBroker(), "context"), ReadClock(T0), Metrics(registry), size=10_000)
    body = b"x" * 8 * 1024 * 1024
    for sequence in range(1, 401):
        dead.take(BadTick(Record("market.tick", body, sequence, None, 0), DeadLetterCode.OVERSIZED, None, "too large"))
    dropped = registry.get_sample_value("perpetua_context_dead_letters_total", {"outcome": "dropped"})
    assert dropped == 400 - 32 * 1024 * 1024 // 100_000
