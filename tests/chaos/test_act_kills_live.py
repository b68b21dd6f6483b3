"""kill -9 of the executor at every step of an act by hand at an exchange: done once there, and never without a stop."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from libs.schemas import subjects
from services.executor.domain.book import AccountBook
from tests.chaos.executions import PRICE, Events, Life
from tests.chaos.forks import Executor
from tests.chaos.scripts import BUY
from tests.chaos.test_act_kills import ACTS
from tests.chaos.test_executor_kills import REACH_S, STEPS, TAKE_OVER, running
from tests.contract.benches import CCXT, NO_CCXT, SECRET
from tests.fakes import executor_values as values
from tests.fakes.exchange.server import ExchangeFake, Kind, exchange
from tests.forms import sized
from tests.integration.executing import World, until

SENDING = ("executor.live_stored", "executor.live_sent", "executor.after_store", "executor.after_done")
EVERY = (*SENDING, *(step for step in STEPS if step not in SENDING))
CHOSEN: tuple[str, ...] = sized(SENDING[1:], EVERY * 3)
VENUE: Kind = "binanceusdm"
LIVE = {"mode": "live", "venue": VENUE, "credential": "main"}
ENV = {
    "PERPETUA_CREDENTIAL_MAIN_KEY": SECRET,
    "PERPETUA_CREDENTIAL_MAIN_SECRET": "hush-hush",
    "EXECUTOR_ALLOW_LIVE": "true",
}


class Trader(Life):
    """An account that trades at the exchange."""

    def __init__(self, world: World, events: Events, fake: ExchangeFake) -> None:
        super().__init__(world, events, "by-hand", values.SYMBOL)
        self.config = self.config.model_copy(update=LIVE)
        self.exchange = fake

    @property
    def amount(self) -> Decimal:
        held = self.exchange.book.positions.get(self.symbol)
        return held.amount if held else Decimal(0)

    def levels(self, kind: str) -> list[Decimal]:
        """Where orders of a type stand at the exchange."""
        found = self.exchange.book.open(None, algo=True)
        return [Decimal(order["stopPrice"]) for order in found if order["type"] == kind]

    async def stands(self, stop: Decimal | None, target: Decimal | None) -> None:
        """Returns when just this protects the position there."""

        async def so() -> bool:
            return (self.levels("STOP_MARKET"), self.levels("TAKE_PROFIT_MARKET")) == ([stop], [target])

        await until(so)


@asynccontextmanager
async def trading(world: World, fake: ExchangeFake) -> AsyncIterator[tuple[Executor, Events, Trader]]:
    """An executor and an account that has bought."""
    rules = values.filters().model_copy(update={"venue": VENUE})
    await world.config(subjects.venue_key(VENUE, values.SYMBOL), rules)
    async with running(world, ENV | {"PERPETUA_VENUE_URL": fake.url}) as (executor, events):
        life = Trader(world, events, fake)
        await life.tick(PRICE)
        await life.begin()
        await life.decide(BUY.model_copy(update={"allocation_usd": 5_000}), life_s=600)
        await life.until(lambda book: bool(book.positions), "bought")
        await life.stands(Decimal(49_000), Decimal(52_000))
        yield executor, events, life


def through(book: AccountBook, name: str) -> bool:
    """Told, and none of what closes is on its way: after a restart the venue's answer may come later than the word."""
    told = [outcome for outcome in book.acts if outcome.control_id == name and outcome.result != "refused"]
    return bool(told) and not (told[0].kind == "close" and book.orders.keys() & {*told[0].orders})


async def killed_at(executor: Executor, life: Trader, number: int, step: str, act: dict[str, Any]) -> int:
    """How often it died of it."""
    deaths = len(executor.deaths)
    then = (f"{TAKE_OVER[number % 2]}:1",) if number % 3 == 0 else ()
    await executor.arm(f"{step}:1", *then)
    await life.act(number, **act)
    name = f"a-by-hand-{number}"
    await life.until(lambda book: through(book, name), f"{act} at {step}")
    with contextlib.suppress(TimeoutError):  # what comes after it is told comes at once, or not at all
        async with asyncio.timeout(REACH_S):
            await executor.died(deaths + 1)
    await executor.disarm()
    return len(executor.deaths) - deaths


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.skipif(not CCXT, reason=NO_CCXT)
@pytest.mark.timeout(300 + 30 * len(CHOSEN))
async def test_an_act_at_an_exchange_is_carried_out_once_whatever_step_the_executor_dies_at(
    nats_url: str, mongo_url: str, mongo_db_name: str
) -> None:
    world, told = World(nats_url, mongo_url, mongo_db_name), []
    async with exchange(VENUE) as fake:
        fake.book.prices[values.SYMBOL] = Decimal(50_000)
        await world.start()
        try:
            async with trading(world, fake) as (executor, events, life):
                kinds, stop, target = itertools.cycle(ACTS), Decimal(49_000), Decimal(52_000)
                for number, step in enumerate(CHOSEN, 1):
                    act, before = dict(next(kinds)), life.amount
                    if act["kind"] == "stop":
                        act["price"] = str(stop := Decimal(49_000 + number))
                    elif act["kind"] == "target":
                        act["price"] = str(target := Decimal(52_000 - number))
                    told.append((step, act["kind"], await killed_at(executor, life, number, step, act)))
                    assert (life.amount < before) is (act["kind"] == "close")
                    assert life.amount >= before * Decimal("0.8") - Decimal("0.001"), "closed twice"
                    await life.stands(stop, target)
                await life.act(1_000, kind="close")
                await life.until(lambda book: not book.positions and not book.orders, "closed")
                placed = [event["intent"] for event in events.of("by-hand") if event["is"] == "order.placed"]
                closing = [intent["origin"] for intent in placed if intent["leg"] == "exit"]
                assert sorted(closing) == sorted({*closing}), "two orders of one act"
                each = [
                    intent["client_order_id"] for intent in placed
                ]  # a stop that shrinks with its position is another
                assert len(each) == len({*each})
                assert life.amount == 0
                assert not fake.book.open(None, algo=True)
                book = await life.book()
                assert book is not None and book.wallet == fake.book.wallet
                assert (executor.odd, (await world.js.stream_info("DEAD")).state.messages) == ([], 0)
                kills = len(executor.deaths)
        finally:
            await world.stop()
    print(f"\n{kills} kills: {told}")
    assert kills >= len(CHOSEN) // 2
