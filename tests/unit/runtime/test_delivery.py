"""What consume() takes, and how long a failed message waits."""

import pytest
from faststream.nats import NatsRouter

from libs.runtime.delivery import consume
from libs.runtime.emit import Emit
from libs.runtime.pull import Pull
from libs.runtime.settling import as_emits, retry_delay
from libs.schemas.base import Message
from libs.schemas.subjects import CONTEXT_REQUESTS, LEDGER_ORDERS


async def takes_text(body: str) -> None: ...


async def takes_two(body: Message, more: Message) -> None: ...


async def takes_a_message(body: Message) -> None: ...


def test_row_3_the_delays_between_deliveries_grow_up_to_a_minute() -> None:
    delays = [retry_delay(n) for n in range(1, 12)]
    assert delays[:4] == [0.4, 0.8, 1.6, 3.2]
    assert delays == sorted(delays)
    assert delays[-1] == 60


def test_a_handler_must_take_a_wire_model_unless_it_is_decoded_for_it() -> None:
    with pytest.raises(TypeError, match="takes_text must take one wire model"):
        consume(NatsRouter(), CONTEXT_REQUESTS, takes_text)
    with pytest.raises(TypeError, match="takes_two must take one wire model"):
        consume(NatsRouter(), CONTEXT_REQUESTS, takes_two)  # type: ignore[arg-type]
    consume(NatsRouter(), CONTEXT_REQUESTS, takes_text, decode=lambda subject, body: Message())


def test_a_durable_is_pulled_by_one_subscriber_with_as_many_places_as_was_said() -> None:
    router = NatsRouter()
    consume(router, LEDGER_ORDERS, takes_a_message, concurrency=4)
    (subscriber,) = router.subscribers
    assert isinstance(subscriber, Pull)
    assert (subscriber.durable, subscriber.places) == (LEDGER_ORDERS, 4)
    assert subscriber.specification.include_in_schema


def test_a_handler_may_return_nothing_one_or_many() -> None:
    emit = Emit("a.b.c", Message())
    assert as_emits(None) == ()
    assert as_emits(emit) == (emit,)
    assert as_emits([emit, emit]) == (emit, emit)
