"""A live account through the real executor: ccxt, NATS and MongoDB are real, the exchange is a local fake."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from libs.records.collections import ACCOUNTS
from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.analytics import Alert
from libs.schemas.names import key_of
from tests import builders
from tests.contract.benches import CCXT, NO_CCXT, SECRET
from tests.fakes import executor_values as values
from tests.fakes.exchange.server import ExchangeFake, Fault, Kind, exchange
from tests.integration import executing
from tests.integration.executing import ENTRY, World, has_events, now_validated, opened, until
from tests.pace import Watch

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not CCXT, reason=NO_CCXT)]
SYMBOL = values.SYMBOL


@dataclass
class Live:
    """An executor's world in which one account trades at an exchange."""

    world: World
    exchange: ExchangeFake
    env: dict[str, str]

    def amount(self) -> Decimal:
        held = self.exchange.book.positions.get(SYMBOL)
        return held.amount if held else Decimal(0)

    def resting(self) -> list[tuple[str, str]]:
        """Types and quantities of what is open at the exchange."""
        both = [*self.exchange.book.open(None, algo=False), *self.exchange.book.open(None, algo=True)]
        return sorted((o["type"], o["origQty"]) for o in both)

    async def decide(self, decision: str = "dec-1") -> None:
        await self.world.tick(50_000)
        await self.world.send(
            subjects.decision_validated(key_of(executing.ACCOUNT)), now_validated(ENTRY, decision=decision)
        )


def live_account(venue: str) -> Account:
    fields = {"mode": "live", "venue": venue, "credential": "main"}
    return values.account(executing.ACCOUNT).model_copy(update=fields)


@pytest.fixture
async def live(
    nats_url: str,
    mongo_url: str,
    mongo_db_name: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Live]:
    world = World(nats_url, mongo_url, mongo_db_name)
    kind: Kind = getattr(request, "param", "binanceusdm")
    async with exchange(kind) as fake:
        env = {
            **{"PERPETUA_CREDENTIAL_MAIN_KEY": SECRET, "PERPETUA_CREDENTIAL_MAIN_SECRET": "hush-hush"},
            **{"PERPETUA_VENUE_URL": fake.url, "EXECUTOR_ALLOW_LIVE": "true"},
        }
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        fake.book.prices[SYMBOL] = Decimal(50_000)
        await world.start()
        rules = values.filters().model_copy(update={"venue": kind})
        await world.config(subjects.venue_key(kind, SYMBOL), rules)
        await world.config(subjects.account_key(key_of(executing.ACCOUNT)), live_account(kind))
        try:
            yield Live(world, fake, env)
        finally:
            await world.stop()


@pytest.mark.parametrize("live", ["aster", "binanceusdm"], indirect=True)
async def test_a_verdict_becomes_an_entry_with_its_stop_and_target_at_the_venue_and_a_close_by_hand_closes_the_books(
    live: Live,
) -> None:
    world = live.world
    async with world.executor():
        await until(lambda: opened(world))
        await live.decide()
        await until(lambda: has_events(world, "position.opened"))
        assert live.amount() == Decimal("0.05")
        assert live.resting() == [("STOP_MARKET", "0.05"), ("TAKE_PROFIT_MARKET", "0.05")]
        state = await world.state()
        assert [(p.quantity, p.stop_loss, p.take_profit) for p in state.positions] == [
            (Decimal("0.05"), Decimal(49_000), Decimal(52_000))
        ]
        live.exchange.book.vanish(SYMBOL, "web_by_hand")
        await live.exchange.push()
        await until(lambda: has_events(world, "position.closed"))
        state = await world.state()
        assert not state.positions
        assert not state.open_orders
        assert live.resting() == []
        assert state.wallet_balance == live.exchange.book.wallet


async def test_kill_9_after_an_order_was_sent_leaves_one_order_with_its_stop(live: Live) -> None:
    world = live.world
    first = await world.process("first", PERPETUA_FAILPOINT="executor.live_sent", **live.env)
    await until(lambda: opened(world))
    await live.decide()
    async with asyncio.timeout(60):
        await first.wait()
    assert first.returncode == -signal.SIGKILL
    assert live.amount() == Decimal("0.05")
    assert live.resting() == [], "nothing protects the position while nobody is there"
    async with world.executor("second"):
        await until(lambda: has_events(world, "position.opened"))
        await until(lambda: protected(live))
        entries = [o for o in live.exchange.book.orders if o["type"] == "MARKET"]
        assert [o["origQty"] for o in entries] == ["0.05"]
        assert (await world.events()).count("position.opened") == 1
        assert (await world.state()).wallet_balance == live.exchange.book.wallet


async def protected(live: Live) -> bool:
    return live.resting() == [("STOP_MARKET", "0.05"), ("TAKE_PROFIT_MARKET", "0.05")]


async def test_a_position_whose_stop_is_refused_is_closed_within_the_grace_with_a_critical_alert(live: Live) -> None:
    world = live.world
    live.exchange.book.rejects_stops = True
    async with world.executor():
        await until(lambda: opened(world))
        await live.decide()
        await until(lambda: has_events(world, "position.opened"))
        with Watch() as watch:
            await until(lambda: has_events(world, "position.closed"))
        assert watch.quiet_s < 6, f"the position lived {watch.quiet_s:.1f} s without a stop"
        assert live.amount() == 0
        alerts = await raised(world)
        assert [a.severity for a in alerts if a.kind == "protection"] == ["critical"]


async def raised(world: World) -> list[Alert]:
    info = await world.js.stream_info("AUDIT")
    found = [await world.js.get_msg("AUDIT", n) for n in range(1, info.state.last_seq + 1)]
    return [Alert.model_validate_json(m.data or b"") for m in found if (m.subject or "").startswith("alert.")]


async def test_an_answer_that_never_came_is_asked_for_and_the_order_is_not_sent_again(live: Live) -> None:
    world = live.world
    live.exchange.fault("POST order", Fault(503, "sorry", accepted=True))
    live.exchange.deaf = True
    async with world.executor():
        await until(lambda: opened(world))
        await live.decide()
        await until(lambda: protected(live))
        assert len(live.exchange.requests("order", "POST")) == 1


async def test_flatten_closes_everything_at_the_venue(live: Live) -> None:
    world = live.world
    async with world.executor():
        await until(lambda: opened(world))
        await live.decide()
        await until(lambda: protected(live))
        body = builders.control("flatten", executing.ACCOUNT, requested_at=datetime.now(UTC))
        await world.send(subjects.control_requested(key_of(executing.ACCOUNT)), body)
        await until(lambda: has_events(world, "position.closed"))
        await until(lambda: nothing_rests(live))
        assert live.amount() == 0
        assert (await world.state()).trading_state == "halted"


async def nothing_rests(live: Live) -> bool:
    return live.resting() == []


async def test_what_is_not_ours_is_left_alone_and_makes_the_account_reduce(live: Live) -> None:
    world = live.world
    async with world.executor():
        await until(lambda: opened(world))
        await live.decide()
        await until(lambda: protected(live))
        theirs = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": "0.1", "price": "40000"}
        live.exchange.book.place({**theirs, "newClientOrderId": "web_1"}, algo=False)
    async with world.executor("second"):
        await until(lambda: is_reducing(world))
        assert ("LIMIT", "0.1") in live.resting()
        assert live.amount() == Decimal("0.05")
        assert any("web_1" in a.message for a in await raised(world))


async def is_reducing(world: World) -> bool:
    return (await world.state()).trading_state == "reducing"


async def there(world: World, account_id: str) -> bool:
    return await world.db[ACCOUNTS].count_documents({"_id": account_id}) == 1


async def told(world: World, says: str) -> bool:
    return any(says in alert.message for alert in await raised(world))


async def test_an_account_that_misses_a_gate_stays_shut_and_the_alert_says_what_is_missing(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXECUTOR_ALLOW_LIVE", "false")
    world = live.world
    await world.config(subjects.account_key(key_of("paper-2")), values.account("paper-2"))
    async with world.executor():
        await until(lambda: told(world, "EXECUTOR_ALLOW_LIVE"))
        await until(lambda: there(world, "paper-2"))  # the others go on
        assert live.exchange.requests("order") == []
