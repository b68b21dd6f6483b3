"""`perpetua dead replay` against a real server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from cli.ask.dead_replay import replay
from cli.connection import connected
from libs.runtime.bus import Bus
from libs.runtime.deadletters import dead_letter, letter_error
from libs.runtime.letters import letter_at, letters_before
from libs.runtime.provision import provision_nats
from libs.schemas.audit import AuditEvent
from libs.schemas.reasons import DeadLetterCode

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with connected(nats_url) as made:
        await provision_nats(made.js)
        yield made


async def put_aside(bus: Bus, sequence: int, stream: str = "ORDERS", subject: str = "order.filled.alpha") -> None:
    await bus.publish(
        dead_letter(
            subject=subject,
            headers={"Nats-Msg-Id": f"order.filled:e-{sequence}"},
            body=b'{"event_id": "e"}',
            stream=stream,
            durable=f"ledger-{stream.lower()}",
            sequence=sequence,
            error=letter_error(DeadLetterCode.HANDLER_ERROR, "a fault of ours"),
            deliveries=8,
            now=AT,
        )
    )


async def test_a_letter_is_published_again_under_its_number_and_recorded(bus: Bus, nats_url: str) -> None:
    await put_aside(bus, 1)
    names = ["ORDERS:1:ledger-orders"]
    first = await replay(nats_url, names, every=False, stream=None)
    second = await replay(nats_url, names, every=False, stream=None)
    assert [d.replayed_as for d in (*first, *second)] == ["order.filled:e-1:replay:1", "order.filled:e-1:replay:2"]
    stored = await bus.js.get_msg("ORDERS", 2)
    assert (stored.subject, stored.data) == ("order.filled.alpha", b'{"event_id": "e"}')
    assert (stored.headers or {})["perpetua-replay-for"] == "ledger-orders"
    audit = await bus.js.get_last_msg("AUDIT", "letter.replayed.ORDERS")
    event = AuditEvent.model_validate_json(audit.data or b"")
    assert (event.what, event.subject, event.after) == ("dead.replayed", names[0], "order.filled:e-1:replay:2")


async def test_all_letters_of_a_stream_are_replayed_once(bus: Bus, nats_url: str) -> None:
    await put_aside(bus, 1)
    await put_aside(bus, 2)
    await put_aside(bus, 3, "AUDIT", "alert.raised.alpha")
    await put_aside(bus, 4, "MARKET", "market.tick.BTCUSDT")
    assert len(await replay(nats_url, [], every=True, stream="ORDERS")) == 2
    left = await replay(nats_url, [], every=True, stream=None)
    assert [done.replayed_as for done in left] == ["order.filled:e-3:replay:1", None]
    assert "the market has moved on" in left[1].line()


async def test_pages_go_back_from_the_newest_to_the_first(bus: Bus) -> None:
    assert await letters_before(bus, None, 2) == ([], None)
    for sequence in range(1, 6):
        await put_aside(bus, sequence)
    pages: list[list[int]] = []
    below: int | None = None
    while not pages or below:
        letters, below = await letters_before(bus, below, 2)
        pages.append([one.number for one in letters])
    assert pages == [[5, 4], [3, 2], [1]]
    assert await letter_at(bus, 6) is None
