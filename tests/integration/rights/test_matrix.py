"""Every user of the bus and every family of subjects, on a real nats-server with the file that containers use."""

import json
from collections.abc import Mapping

import nats
import nats.errors
import nats.js.errors
import pytest

from libs.schemas.matching import stream_of
from libs.schemas.rights import ADMIN, BY_NAME, KEEPER, OBSERVER, PUBLISHER, USERS
from libs.schemas.subjects import BUCKETS, DURABLES, EXECUTION, STREAMS
from libs.schemas.topology import Durable
from tests.integration.rights.server import RightsServer

pytestmark = pytest.mark.integration
WORKERS = ("feed", "context", "decider", "validator", "executor", "ledger", "gateway", "notifier")
READERS = (*WORKERS, OBSERVER)
OTHERS = tuple(name for name in BY_NAME if name != ADMIN)

# Written by hand: who may publish what, the administrator always. What is not here is nobody's.
MAY_PUBLISH: Mapping[str, tuple[str, ...]] = {
    "market.tick": (PUBLISHER,),
    "market.tick.BTCUSDT": ("feed", "gateway", PUBLISHER),
    "market.funding.BTCUSDT": ("feed", PUBLISHER),
    "market.note.BTCUSDT": ("feed", PUBLISHER),
    "market.candle.BTCUSDT.1m": ("feed", "context"),
    "decision.requested.main": ("context", "gateway"),
    "decision.answered.main": ("context",),
    "decision.proposed.main": ("decider",),
    "decision.validated.main": ("validator",),
    "decision.rejected.main": ("context", "decider", "validator", "ledger"),
    "decision.evaluated.main": ("decider", "validator", "ledger"),
    "context.built.main": ("context",),
    "context.shadowed.main": ("context",),
    "order.filled.main": ("executor",),
    "position.changed.main": ("executor",),
    "account.changed.main": ("executor", "ledger"),
    "strategy.changed.main": ("ledger",),
    "config.changed.venue.paper.BTCUSDT": ("gateway", "ledger"),
    "control.requested.all": ("gateway", "ledger"),
    "alert.raised.main": ("context", "decider", "executor", "ledger", "gateway"),
    "letter.replayed.MARKET": ("gateway",),
    "notice.requested.desk": ("notifier", "gateway"),
    "notice.settled.desk": ("notifier",),
    "dead.MARKET.context-ticks": ("context", "ledger"),
    "dead.DECISIONS.validator-proposals": ("validator", "ledger"),
    "dead.EXECUTION.executor-p00": ("executor", "ledger"),
    "dead.AUDIT.notifier-alerts": ("notifier", "ledger"),
    "dead.ORDERS.notifier-orders": ("notifier", "ledger"),
    "dead.NOTICES.notifier-notices": ("notifier", "ledger"),
    "execute.0.validated.main": (),
    "$KV.config.account.main": ("gateway",),
    "$KV.config.control.all": ("gateway", "executor"),
    "$KV.config.models": ("gateway",),
    "$KV.state.main": ("executor",),
    "$KV.clock.market": ("feed",),
    "$KV.lease.feed.paper.BTCUSDT": ("feed",),
    "$KV.lease.context.looked": ("context",),
    "$KV.lease.executor.looked": ("executor",),
    "$KV.inflight.main": ("context",),
    "$KV.keys.key.anna": ("gateway",),
    "$KV.claims.anna.once": ("gateway",),
    **{f"$KV.workers.{name}.one": (name,) for name in WORKERS},
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.DECISIONS.validator-proposals": (),
    "$SYS.REQ.SERVER.PING": (),
    "BUS.API.STREAM.DELETE.ORDERS": (),
    "_INBOX_ledger.x": (),
    "anything.else": (),
}
NOBODYS = ("execute.", "$JS.EVENT", "$SYS", "_INBOX", "anything")  # not even the administrator's

READS: Mapping[str, tuple[str, ...]] = {
    "MARKET": ("feed", "context", "validator", "executor", "ledger", "gateway", OBSERVER),
    "CANDLES": ("feed", "context", "ledger", "gateway", OBSERVER),
    "REQUESTS": ("feed", "context", "ledger", OBSERVER),
    "CONTEXTS": ("ledger", "gateway", OBSERVER),
    "DECISIONS": ("feed", "context", "decider", "ledger", "gateway", OBSERVER),
    "EXECUTION": ("ledger", OBSERVER),
    "ORDERS": ("context", "ledger", "gateway", OBSERVER),
    "AUDIT": ("ledger", "gateway", OBSERVER),
    "NOTICES": ("ledger", OBSERVER),
    "DEAD": ("context", "ledger", "gateway", OBSERVER),
    "ADVISORIES": ("ledger", OBSERVER),
    "KV_config": ("context", "decider", "validator", "executor", "ledger", "gateway", OBSERVER),
    "KV_state": ("context", "validator", "executor", "ledger", "gateway", OBSERVER),
    "KV_clock": READERS,
    "KV_lease": ("feed", "context", "ledger", OBSERVER),
    "KV_inflight": ("context", "ledger", OBSERVER),
    "KV_keys": ("gateway",),
    "KV_claims": ("gateway",),
    "KV_workers": ("ledger", "gateway", OBSERVER),
}
CHANGES = ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "RESTORE", "SNAPSHOT", "LEADER.STEPDOWN", "PEER.REMOVE")
KEPT = ("$JS.SNAPSHOT.ACK.ORDERS.one", "$JS.SNAPSHOT.RESTORE.ORDERS.one")
ACCOUNT = ("INFO", "STREAM.NAMES", "STREAM.LIST", "ACCOUNT.PURGE.BUS", "META.LEADER.STEPDOWN", "SERVER.REMOVE")


def expected(user: str) -> set[str]:
    """What the table above lets a user publish to, the API included."""
    mine = {subject for subject, users in MAY_PUBLISH.items() if user in users}
    for stream, users in READS.items():
        if user in users:
            mine |= {f"$JS.API.{call}" for call in reading(stream)}
    if user in READERS:
        mine |= {f"$JS.API.STREAM.INFO.{stream}" for stream in READS}
    if user == KEEPER:
        calls = (f"{call}.{stream}" for stream in READS for call in ("INFO", "SNAPSHOT", "RESTORE"))
        mine |= {*KEPT, "$JS.API.STREAM.NAMES", *(f"$JS.API.STREAM.{call}" for call in calls)}
    for durable in DURABLES:
        own, seen = (
            durable.name.startswith(f"{user}-"),
            user in (OBSERVER, "gateway") or (user, durable.stream) == ("feed", "EXECUTION"),
        )
        mine |= {f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}", ack(durable)} if own else set()
        mine |= {f"$JS.API.CONSUMER.INFO.{durable.stream}.{durable.name}"} if own or seen else set()
    return mine


def reading(stream: str) -> tuple[str, ...]:
    return (
        *(
            f"CONSUMER.CREATE.{stream}.one-of-its-own",
            f"CONSUMER.DELETE.{stream}.one-of-its-own",
            f"STREAM.MSG.GET.{stream}",
        ),
        *(f"DIRECT.GET.{stream}", f"DIRECT.GET.{stream}.any.subject"),
    )


def ack(durable: Durable) -> str:
    return f"$JS.ACK.{durable.stream}.{durable.name}.1.1.1.1.1"


def every_subject() -> list[str]:
    """The columns of the matrix."""
    api = [f"STREAM.{change}.{stream}" for stream in READS for change in CHANGES]
    api += [f"{call}.{stream}" for stream in READS for call in ("STREAM.INFO", "CONSUMER.CREATE", "CONSUMER.LIST")] + [
        call for stream in READS for call in reading(stream)
    ]
    for one in DURABLES:
        calls = ("INFO", "DELETE", "MSG.NEXT", "DURABLE.CREATE", "CREATE", "PAUSE", "RESET", "UNPIN")
        api += [f"CONSUMER.{call}.{one.stream}.{one.name}" for call in calls]
    return [*MAY_PUBLISH, *KEPT, *(f"$JS.API.{call}" for call in (*api, *ACCOUNT)), *map(ack, DURABLES)]


def test_the_matrix_has_every_stream_and_every_user() -> None:
    assert set(READS) == {*(one.name for one in STREAMS), *(f"KV_{one.name}" for one in BUCKETS)}
    assert {*WORKERS, ADMIN, KEEPER, OBSERVER, PUBLISHER} == {user.name for user in USERS}


@pytest.mark.parametrize("user", OTHERS)
async def test_a_user_may_publish_and_ask_for_what_is_its_own_and_nothing_else(server: RightsServer, user: str) -> None:
    before = await server.messages()
    async with server.client(user) as (connection, refused):
        for subject in every_subject():
            if not subject.startswith("$KV.") or subject not in expected(user):
                await connection.publish(subject, b'{"batch": 1, "no_wait": true}', reply=f"_INBOX_{user}.x")
        said = set(await refused.all())
    wanted = {one.lower() for one in every_subject()} - {one.lower() for one in expected(user)}
    assert said ^ {one.replace("bus.api.", "$js.api.") for one in wanted} == set()
    after = await server.messages()
    assert {stream for stream in after if after[stream] != before[stream]} <= stored_by(user)


def stored_by(user: str) -> set[str]:
    direct = {stream_of(one) for one in expected(user) if not one.startswith("$")}
    return direct | ({"EXECUTION"} if direct & {one.stream for one in EXECUTION.sources} else set())


@pytest.mark.parametrize("user", OTHERS)
async def test_what_a_user_may_publish_is_stored_as_it_was_sent(server: RightsServer, user: str) -> None:
    async with server.client(user) as (connection, refused), server.client(ADMIN) as (admin, _):
        for subject in sorted(one for one, users in MAY_PUBLISH.items() if user in users):
            stored = await connection.jetstream().publish(subject, b"{}", headers={"Nats-Msg-Id": f"{user}:{subject}"})
            message = await admin.jetstream().get_msg(stored.stream, stored.seq)
            assert (message.subject, message.data) == (subject, b"{}")
            assert message.headers == {"Nats-Msg-Id": f"{user}:{subject}"}
        assert await refused.all() == []


@pytest.mark.parametrize("user", BY_NAME)
async def test_a_user_hears_its_own_replies_and_nothing_else(server: RightsServer, user: str) -> None:
    others = [f"_INBOX_{other}.>" for other in BY_NAME if other != user]
    foreign = [">", "*.>", "_INBOX.>", "$JS.>", "$KV.>", "$SYS.>", *MAY_PUBLISH, *others]
    foreign = [one for one in foreign if not one.startswith(f"_INBOX_{user}.")]
    async with server.client(user) as (connection, refused):
        for subject in [*foreign, f"_INBOX_{user}.own.*"]:
            await connection.subscribe(subject)
        said = await refused.all()
    assert sorted(said) == sorted(one.lower().replace("bus.api.", "$js.api.") for one in foreign)


@pytest.mark.parametrize("subject", [subject for subject in MAY_PUBLISH if not subject.startswith("BUS.")])
async def test_the_administrator_may_publish_whatever_a_stream_takes(server: RightsServer, subject: str) -> None:
    async with server.client(ADMIN) as (connection, refused):
        await connection.publish(subject, b"{}")
        said = await refused.all()
    assert bool(said) == subject.startswith(NOBODYS)


@pytest.mark.parametrize("field", ["durable_name", "name"])
@pytest.mark.parametrize("rest", ["", ".validator-proposals", ".validator-proposals.decision.none.*", ".mine"])
async def test_a_reader_cannot_change_the_durable_of_another(server: RightsServer, field: str, rest: str) -> None:
    config = {field: "validator-proposals", "ack_policy": "explicit", "filter_subject": "decision.none.*"}
    request = json.dumps({"stream_name": "DECISIONS", "config": config}).encode()
    async with server.client("feed") as (connection, refused), server.client(ADMIN) as (admin, _):
        answer = connection.new_inbox()
        await connection.subscribe(answer)
        await connection.publish(f"$JS.API.CONSUMER.CREATE.DECISIONS{rest}", request, reply=answer)
        assert bool(await refused.all()) == (rest != ".mine")
        info = await admin.jetstream().consumer_info("DECISIONS", "validator-proposals")
    assert info.config.filter_subject == "decision.proposed.*"


async def test_a_publisher_learns_by_the_acknowledgement_that_its_tick_is_stored(server: RightsServer) -> None:
    async with server.client(PUBLISHER) as (connection, _):
        stored = await connection.jetstream().publish("market.tick", b'{"symbol": "BTCUSDT", "price": 1}')
        assert stored.stream == "MARKET"
        with pytest.raises((nats.errors.TimeoutError, nats.js.errors.Error)):
            await connection.jetstream(timeout=0.2).stream_info("MARKET")


@pytest.mark.parametrize("login", ["", "executor:wrong@", "nobody:x@"])
async def test_who_has_no_password_is_refused(server: RightsServer, login: str) -> None:
    async def heard(error: Exception) -> None:
        return

    with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
        await nats.connect(f"nats://{login}127.0.0.1:{server.port}", allow_reconnect=False, error_cb=heard)
