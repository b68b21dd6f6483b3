"""The context worker against a real NATS server, in market time at thirty times wall time."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import nats
import pytest

from cli.embedded.servers import Servers
from libs.schemas import ids, subjects
from libs.schemas.context import DecisionRequest
from libs.schemas.dead import DeadLetter
from libs.schemas.market import Candle
from libs.schemas.names import key_of
from libs.schemas.reasons import ContextErrorCode, DeadLetterCode, RejectReason
from libs.schemas.verdict import DecisionRejected
from tests import builders
from tests.integration.market import HISTORY, Market, market_at, running, until, workers

pytestmark = pytest.mark.integration


async def test_two_workers_build_one_context_of_each_account_at_each_boundary(nats_url: str) -> None:
    names = ("acc1", "acc2", "acc3")
    async with market_at(nats_url) as market:
        await market.prepare(*names)
        async with running(market.run), workers(nats_url, 2):

            async def three_cycles() -> bool:
                return len({c.cycle for c in await market.contexts()}) >= 4

            await until(three_cycles)
        contexts = await market.contexts()
        requests = await market.stored("REQUESTS")
    cycles = sorted({c.cycle for c in contexts})[:3]
    seen = Counter((c.account_id, c.cycle) for c in contexts if c.cycle in cycles)
    assert seen == Counter({(name, cycle): 1 for name in names for cycle in cycles})
    assert len(requests) == len({data for _, data, _ in requests})
    for context in contexts:
        assert set(context.market_data.assets) == {"BTCUSDT", "ETHUSDT"}
        closed = context.expires_at - timedelta(minutes=1)
        for asset in context.market_data.assets.values():
            assert asset.technical_indicators.interval.as_of == closed
            assert asset.technical_indicators.interval.ema_50 is not None
            assert asset.technical_indicators.interval.candles_used >= HISTORY - 1
        assert context.timestamp >= closed + timedelta(seconds=2)


async def test_bad_ticks_end_as_dead_letters_and_block_nothing(nats_url: str) -> None:
    bad = {
        b"{": DeadLetterCode.MALFORMED,
        b'{"symbol": "BTCUSDT", "price": -1}': DeadLetterCode.INVALID,
        b'{"symbol": "BTCUSDT", "price": "NaN"}': DeadLetterCode.INVALID,
        b'{"symbol": "ETHUSDT", "price": 1}': DeadLetterCode.SUBJECT_MISMATCH,
        b'{"symbol": "BTCUSDT", "price": 1, "ts": "2099-01-01T00:00:00Z"}': DeadLetterCode.FUTURE,
        b" " * 20_000: DeadLetterCode.OVERSIZED,
    }
    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        for body in bad:
            await market.js.publish(subjects.tick("BTCUSDT"), body)
        async with running(market.run), workers(nats_url, 2):
            for body in bad:
                await market.js.publish(subjects.tick("BTCUSDT"), body)

            async def all_dead() -> bool:
                letters = await market.stored("DEAD")
                return len(letters) >= 2 * len(bad) and len(await market.contexts()) > 0

            await until(all_dead)
        letters = await market.stored("DEAD", "dead.MARKET.context-ticks")
        async with workers(nats_url, 1):  # reads everything again
            assert len(await market.stored("DEAD")) == 2 * len(bad)
    found = [(DeadLetter.model_validate_json(data), headers) for _, data, headers in letters]
    assert len(found) == len({letter.sequence for letter, _ in found}) == 2 * len(bad)
    for letter, headers in found:
        assert letter.dead_letter_id == f"MARKET:{letter.sequence}"
        assert headers["Nats-Msg-Id"] == f"dead.MARKET:MARKET:{letter.sequence}"
        assert letter.error.code is bad[letter.body.encode()]
    assert next(x.error.field for x, _ in found if x.error.code is DeadLetterCode.SUBJECT_MISMATCH) == "symbol"


async def test_where_the_feed_brings_no_candles_one_of_each_is_published_by_two_workers(nats_url: str) -> None:
    async with market_at(nats_url, candles=False) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(nats_url, 2):

            async def three_minutes() -> bool:
                return len(await market.stored("CANDLES", "market.candle.BTCUSDT.1m")) >= 3

            await until(three_minutes)
        stored = await market.stored("CANDLES")
    candles = [Candle.model_validate_json(data) for _, data, _ in stored]
    assert len(candles) == len({(c.symbol, c.timeframe, c.open_time) for c in candles})
    minutes = [c.open_time for c in candles if (c.symbol, c.timeframe) == ("BTCUSDT", "1m")]
    assert all(b - a == timedelta(minutes=1) for a, b in pairwise(minutes))
    assert all(headers["ce-source"] == "perpetua/context" for _, _, headers in stored)


async def test_a_clients_request_is_answered_once_and_an_impossible_one_rejected(nats_url: str) -> None:
    def asked(request_id: str, name: str, now: datetime) -> DecisionRequest:
        return builders.request(request_id, account_id=name, requested_at=now, expires_at=now + timedelta(minutes=10))

    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(nats_url, 2):
            for name in ("acc1", "nobody"):
                body = asked(f"r-{name}", name, market.now()).model_dump_json().encode()
                await market.js.publish(subjects.decision_requested(key_of(name)), body)

            async def both() -> bool:
                contexts = [c for c in await market.contexts() if c.cycle == "request:r-acc1"]
                return bool(contexts and await market.stored("DECISIONS", "decision.rejected.nobody"))

            await until(both)
        contexts = [c for c in await market.contexts() if c.cycle == "request:r-acc1"]
        rejections = await market.stored("DECISIONS", "decision.rejected.nobody")
    assert [c.context_id for c in contexts] == [ids.context_id("acc1", "request:r-acc1")]
    (rejection,) = [DecisionRejected.model_validate_json(data) for _, data, _ in rejections]
    assert (rejection.reason, rejection.request_id) == (RejectReason.UNKNOWN_ACCOUNT, "r-nobody")


@pytest.mark.slow
async def test_contexts_go_on_after_the_server_was_killed(own_servers: Servers) -> None:
    url = own_servers.restart("nats").url
    async with market_at(url) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(url, 2):

            async def some() -> bool:
                return len(await market.contexts()) >= 1

            await until(some)
            await asyncio.to_thread(own_servers.restart, "nats", kill=True)
            await until(lambda: _answers(market))
            before = {c.cycle for c in await market.contexts()}

            async def more() -> bool:
                return len({c.cycle for c in await market.contexts()} - before) >= 2

            await until(more, 60)
        contexts = await market.contexts()
    assert all(n == 1 for n in Counter((c.account_id, c.cycle) for c in contexts).values())
    newest = max(contexts, key=lambda c: c.timestamp)
    short = {ContextErrorCode.WARM_UP, ContextErrorCode.SHORT_HISTORY}  # two hours of history are no day
    unheard = {ContextErrorCode.GAP, ContextErrorCode.NO_CANDLES}  # no feed brings the minutes of the outage
    assert {e.code for e in newest.errors} <= short | unheard


async def _answers(market: Market) -> bool:
    try:
        await market.js.stream_info("CONTEXTS")
    except (nats.errors.Error, nats.js.errors.Error):
        return False
    return True
