"""Accounts whose state or configuration is missing or broken, among many: the others are not late, nor told wrongly."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from nats.aio.msg import Msg

from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.context import TradingContext
from libs.schemas.names import ANY, key_of
from libs.schemas.verdict import DecisionRejected
from services.context.app import create_app
from services.context.settings import Settings
from tests import builders
from tests.builders import account, state
from tests.integration.market import Market, market_at, running
from tests.pace import Watch

ACCOUNTS = 200
STATE_WAIT_S = 5  # 30 waits would take 8 hands 15 s at least
UNHURRIED = 3  # no tick is too old where the machine stands still for some seconds
pytestmark = pytest.mark.integration


async def open_accounts(market: Market) -> Counter[str]:
    """Of every four accounts one is broken, in turn in five ways; none is woken by the clock.

    Returns how many requests shall end in which way.
    """
    ends: Counter[str] = Counter()
    for n in range(ACCOUNTS):
        name, end = f"many{n:03d}", "built"
        config: Message | bytes = account(name, status="paused", symbols=market.symbols)
        held: Message | bytes | None = state(name)
        match n // 4 % 5 if n % 4 == 0 else None:
            case 0:
                held, end = None, "no_state"
            case 1:
                held, end = b"{", "no_state"
            case 2:
                held, end = state("somebody"), "no_state"
            case 3:
                config, end = account(name, status="paused", strategy_id="gone"), "no_strategy"
            case 4:
                config, end = b'{"account_id": "many"', "unknown_account"
        await put(market, "config", subjects.account_key(key_of(name)), config)
        if held is not None:
            await put(market, "state", name, held)
        ends[end] += 1
    return ends


async def put(market: Market, bucket: str, key: str, body: Message | bytes) -> None:
    data = body if isinstance(body, bytes) else body.model_dump_json().encode()
    await market.js.publish(f"$KV.{bucket}.{key}", data, stream=f"KV_{bucket}")


async def ask(market: Market, n: int) -> None:
    name, now = f"many{n:03d}", market.now()
    body = builders.request(f"r-{name}", account_id=name, requested_at=now, expires_at=now + timedelta(hours=1))
    await market.js.publish(subjects.decision_requested(key_of(name)), body.model_dump_json().encode())


@dataclass
class Ends:
    """By account: what became of its request, and when, in seconds of the loop."""

    kinds: dict[str, str] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)

    async def take(self, message: Msg) -> None:
        if message.subject.startswith("context."):
            built = TradingContext.model_validate_json(message.data)
            assert built.account_state.account_id == built.account_id
            self.kinds[built.account_id] = "built"
            self.at[built.account_id] = asyncio.get_running_loop().time()
        else:  # `market` rejects every decision that has a context
            ended = DecisionRejected.model_validate_json(message.data)
            self.kinds.setdefault(ended.account_id, ended.reason)


@pytest.mark.timeout(300)
async def test_fifty_broken_accounts_among_two_hundred_delay_none_of_the_others(nats_url: str) -> None:
    async with market_at(nats_url, speed=UNHURRIED) as market, contextlib.AsyncExitStack() as stack:
        await market.prepare()
        wanted = await open_accounts(market)
        ends = Ends()
        for subject in (subjects.context_built(ANY), subjects.decision_rejected(ANY)):
            await market.nc.subscribe(subject, cb=ends.take)
        worker = create_app(Settings(nats_url=nats_url, instance="context-0", candle_wait=0.3, state_wait=STATE_WAIT_S))
        await worker.start()
        stack.push_async_callback(worker.stop)
        await stack.enter_async_context(running(market.run))
        with Watch() as watch:
            for n in sorted(range(ACCOUNTS), key=lambda n: n % 4):  # the broken ones first
                await ask(market, n)
            async with asyncio.timeout(120):
                while len(ends.kinds) < ACCOUNTS:  # noqa: ASYNC110 - what is waited for is in the server
                    await asyncio.sleep(0.05)
    assert Counter(ends.kinds.values()) == wanted
    assert wanted == {"built": 150, "no_state": 30, "no_strategy": 10, "unknown_account": 10}
    assert watch.quiet_s < 2 * STATE_WAIT_S, "the last whole account waited for those that are broken"
