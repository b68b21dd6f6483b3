"""Where servers may deliver for a user: to no subject that the user itself may not publish to."""

import json

import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from libs.schemas.rights import ADMIN, PUBLISHER
from libs.schemas.subjects import LEDGER_DEAD
from tests.integration.rights.server import RightsServer
from tests.integration.rights.test_matrix import MAY_PUBLISH, OTHERS, READERS

pytestmark = pytest.mark.integration


TARGETS = ("order.filled.main", "control.requested.all", "$KV.config.control.all", "$JS.API.STREAM.PURGE.ORDERS")


def foreign_to(user: str) -> list[str]:
    return [subject for subject in TARGETS if user not in MAY_PUBLISH.get(subject, ())]


@pytest.mark.parametrize("user", READERS)
async def test_a_consumer_cannot_deliver_to_a_subject_that_its_user_may_not_publish_to(
    server: RightsServer, user: str
) -> None:
    """The server makes such a consumer (its issue 8274), but nobody is there who could be delivered to."""
    async with server.client(ADMIN) as (admin, _):
        await admin.jetstream().publish("order.filled.main", b"{}")
        await admin.jetstream().publish("$KV.clock.market", b"{}")
    before = await server.messages()
    async with server.client(user) as (connection, _):
        js = connection.jetstream()
        for subject in foreign_to(user):
            config = ConsumerConfig(deliver_subject=subject, ack_policy=AckPolicy.NONE, inactive_threshold=30)
            made = await js.add_consumer("KV_clock", config, name=connection.new_inbox().rpartition(".")[2])
            await _everything_delivered(connection)
            async with server.client(ADMIN) as (admin, _):
                info = await admin.jetstream().consumer_info("KV_clock", made.name)
            assert info.delivered is None or info.delivered.consumer_seq == 0
    assert await server.messages() == before


async def _everything_delivered(connection: Client) -> None:
    """Return when a consumer that was made later has delivered: what was to come of the earlier ones has come."""
    inbox = connection.new_inbox()
    heard = await connection.subscribe(inbox)
    config = ConsumerConfig(deliver_subject=inbox, ack_policy=AckPolicy.NONE, inactive_threshold=30)
    await connection.jetstream().add_consumer("KV_clock", config, name=inbox.rpartition(".")[2])
    await heard.next_msg(timeout=10)
    await heard.unsubscribe()


@pytest.mark.parametrize("user", OTHERS)
async def test_a_reply_cannot_be_had_at_a_subject_that_its_user_may_not_publish_to(
    server: RightsServer, user: str
) -> None:
    """The server sends replies wherever they are asked for: with one account, a message got back by a direct get under
    `order.filled` would be an order."""
    async with server.client(ADMIN) as (admin, _):
        await admin.jetstream().publish("$KV.clock.market", b"{}")
    tick = user in ("feed", PUBLISHER)
    before = dict(await server.messages())
    async with server.client(user) as (connection, refused):
        for n, reply in enumerate(foreign_to(user)):
            if tick:
                await connection.publish("market.tick.BTCUSDT", b"%d" % n, reply=reply)
            if user in READERS:
                await connection.publish("$JS.API.DIRECT.GET.KV_clock.$KV.clock.market", b"", reply=reply)
                await connection.publish("$JS.API.STREAM.INFO.ORDERS", b"", reply=reply)
        if user in READERS:
            await connection.jetstream().stream_info("ORDERS")
        if tick:
            await connection.jetstream().publish("market.tick.BTCUSDT", b"last")
        assert await refused.all() == []
    before["MARKET"] += (len(foreign_to(user)) + 1) * tick
    assert await server.messages() == before


async def test_a_request_for_many_messages_is_answered_with_all_of_them_and_with_heartbeats(
    server: RightsServer,
) -> None:
    """Across accounts an answer is the last one, unless the export says that more may follow."""
    async with server.client(ADMIN) as (admin, _), server.client("ledger") as (connection, refused):
        await admin.jetstream().purge_stream(LEDGER_DEAD.stream)
        inbox = connection.new_inbox()
        heard = await connection.subscribe(inbox)
        request = {"batch": 10, "expires": 5_000_000_000, "idle_heartbeat": 500_000_000}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{LEDGER_DEAD.stream}.{LEDGER_DEAD.name}"
        await connection.publish(subject, json.dumps(request).encode(), reply=inbox)
        for n in range(3):
            await admin.jetstream().publish("dead.AUDIT.ledger-audit", b"%d" % n)
        answers = [await heard.next_msg(timeout=10) for _ in range(5)]
        assert [answer.data for answer in answers[:3]] == [b"0", b"1", b"2"]
        assert [(answer.headers or {}).get("Status") for answer in answers[3:]] == ["100", "100"]
        for answer in answers[:3]:
            await answer.ack_sync()
        assert await refused.all() == []
