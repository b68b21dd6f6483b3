"""Lives of accounts: what a test sends to an executor, and what must have come of it however often it was killed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from libs.invariants.log import Log as Rows
from libs.records.collections import ACCOUNTS, ORDER_PLANS
from libs.risk.accounts import account_view
from libs.risk.judge import judge
from libs.risk.values import Limits
from libs.runtime.reader import Record
from libs.schemas import ids, subjects
from libs.schemas.decision import AssetDecision, StrategyRef
from libs.schemas.events import decode_event
from libs.schemas.market import FundingUpdate
from libs.schemas.names import key_of
from services.executor.adapters.accounts import MongoAccounts
from services.executor.domain.book import AccountBook
from services.executor.domain.state import account_state
from tests import builders
from tests.chaos.invariants import broken_of
from tests.fakes import executor_values as values
from tests.integration.executing import World

WAIT_S = 240.0
FRESH_S = 15.0
PRICE = 50_000.0
SYMBOLS = tuple(f"S{n}USDT" for n in range(1, 9))
SYMBOL = SYMBOLS[0]


@dataclass
class Events:
    """ORDERS as the log has it, by account."""

    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    judged: dict[str, Rows] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        kind, account = record.subject.rsplit(".", 1)
        self.found.setdefault(account, []).append({**orjson.loads(record.data), "is": kind})
        self.rows(account).take(record.subject, record.sequence, decode_event(record.subject, record.data))

    def of(self, account_id: str) -> list[dict[str, Any]]:
        return self.found.get(account_id, [])

    def rows(self, account_id: str) -> Rows:
        """As `perpetua verify` reads them; here nobody requests anything."""
        return self.judged.setdefault(account_id, Rows(trimmed={"REQUESTS", "DECISIONS"}))


@dataclass(frozen=True)
class Outcome:
    """What an account has come to, without the times and names that differ from run to run."""

    events: tuple[tuple[object, ...], ...]
    money: tuple[tuple[str, str], ...]
    trades: tuple[tuple[object, ...], ...]


class Life:
    """One account from its first decision to its last."""

    def __init__(self, world: World, events: Events, account_id: str, symbol: str = SYMBOL) -> None:
        self._world = world
        self._events = events
        self._accounts = MongoAccounts(world.db)
        self._decisions = 0
        self._price, self._told = PRICE, time.monotonic()
        self.account_id = account_id
        self.symbol = symbol
        self.config = values.account(account_id, symbols=(symbol,))

    async def begin(self) -> None:
        await self._world.config(subjects.account_key(key_of(self.account_id)), self.config)
        await self.until(lambda book: True, "the account is open")

    async def end(self) -> None:
        """Out of the way of the next one."""
        await self._world.js.publish(f"$KV.config.{subjects.account_key(key_of(self.account_id))}", b"", headers=PURGE)
        for name in ("accounts", "order_plans", "order_intents"):
            key = "_id" if name == "accounts" else "account_id"
            await self._world.db[name].delete_many({key: self.account_id})

    async def book(self) -> AccountBook | None:
        found = await self._accounts.load(self.account_id)
        return found.book if found else None

    async def until(self, true: Callable[[AccountBook], bool], what: str) -> AccountBook:
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    book = await self.book()
                    if book is not None and true(book):
                        return book
                    if book is not None and not resting(book):
                        await self._keep_fresh()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{self.account_id}: not within {WAIT_S:g} s: {what}; {await self._stuck()}") from None

    async def _stuck(self) -> str:
        durable = subjects.EXECUTOR_PARTITIONS[ids.partition(self.account_id)]
        info = await self._world.js.consumer_info("EXECUTION", durable.name)
        dead = await self._world.js.stream_info("DEAD")
        found = await self._world.db[ACCOUNTS].find_one(
            {"_id": self.account_id}, {"plans._id": 1, "outbox.event_id": 1}
        )
        return f"{await self.book()}\n{found}\n{info}\n{dead.state.messages} dead letters"

    async def decide(self, row: AssetDecision, *, strategy: str = "plain", life_s: float = 60) -> None:
        """A verdict on `row`, judged on the account as it is now."""
        book = await self.book()
        assert book is not None
        row = row.model_copy(update={"asset": self.symbol})
        self._decisions += 1
        name, now = f"dec-{self.account_id}-{self._decisions}", datetime.now(UTC)
        chosen = STRATEGIES[strategy]
        decision = builders.decision(row)
        body = values.validated(
            values.instruction(asset=self.symbol), decision=name, account_id=self.account_id, at=now
        )
        view = account_view(account_state(book, None), self.config, {self.symbol: Decimal(str(PRICE))})
        limits = Limits(chosen, self.config, {self.symbol: values.filters(self.symbol)})
        ends = now + timedelta(seconds=life_s)
        verdicts = judge(decision, body.facts, view, limits, now, expires_at=body.expires_at).to_wire()
        update = {"decision": decision, "verdicts": verdicts, "expires_at": ends}
        update["strategy"] = StrategyRef(id=chosen.strategy_id, version=1)
        await self._world.send(subjects.decision_validated(key_of(self.account_id)), body.model_copy(update=update))

    def executed(self, book: AccountBook) -> bool:
        """The last decision was carried out."""
        return f"dec-{self.account_id}-{self._decisions}" in book.executed

    async def control(self, state: str, number: int) -> None:
        body = builders.control(
            state,
            self.account_id,
            control_id=f"c-{self.account_id}-{number}",
            requested_at=datetime.now(UTC),
        )
        await self._world.send(subjects.control_requested(key_of(self.account_id)), body)

    async def act(self, number: int, **fields: Any) -> None:
        """What a person does; of a position in this account's symbol unless an order is named."""
        about = {} if "client_order_id" in fields else {"symbol": self.symbol}
        body = builders.act(
            about | fields,
            self.account_id,
            control_id=f"a-{self.account_id}-{number}",
            requested_at=datetime.now(UTC),
        )
        await self._world.send(subjects.control_requested(key_of(self.account_id)), body)

    async def tick(self, price: float, **over: Any) -> None:
        self._price, self._told = price, time.monotonic()
        tick = values.tick(price, symbol=self.symbol, at=datetime.now(UTC), **over)
        await self._world.js.publish(subjects.tick(self.symbol), tick.model_dump_json().encode())

    async def _keep_fresh(self) -> None:
        """Nothing fills at a price that is a minute old, and a message that died is late."""
        if time.monotonic() - self._told > FRESH_S:
            await self.tick(self._price)

    async def fund(self) -> None:
        update = FundingUpdate(symbol=self.symbol, funding_time=datetime.now(UTC), rate=0.0001, mark_price=PRICE)
        await self._world.js.publish(subjects.funding(self.symbol), update.model_dump_json().encode())

    async def settled(self) -> Outcome:
        """Everything was sent and acknowledged; raises AssertionError for what no disturbance may do."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not await self._quiet():  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{self.account_id}: not settled within {WAIT_S:g} s; {await self._stuck()}") from None
        return await self._checked()

    async def _quiet(self) -> bool:
        found = await self._accounts.load(self.account_id)
        assert found is not None
        if found.outbox or found.book.reservations:
            return False
        unfinished = {"account_id": self.account_id, "state": {"$ne": "done"}}
        if await self._world.db[ORDER_PLANS].count_documents(unfinished):
            return False
        durable = subjects.EXECUTOR_PARTITIONS[ids.partition(self.account_id)]
        info = await self._world.js.consumer_info("EXECUTION", durable.name)
        return not info.num_pending and not info.num_ack_pending

    async def _checked(self) -> Outcome:
        found = await self._accounts.load(self.account_id)
        assert found is not None
        assert await broken_of(self._world.db, self._events.rows(self.account_id), self.account_id) == []
        return _outcome(found.book, self._events.of(self.account_id))


def _outcome(book: AccountBook, events: list[dict[str, Any]]) -> Outcome:
    money = {
        "wallet": book.wallet,
        "realised": book.realised_total,
        "fees": book.fees_total,
        "funding": book.funding_total,
        "insolvency": book.insolvency,
    }
    trades = tuple((t.side, t.quantity, t.entry_price, t.exit_price, t.pnl, t.fees) for t in book.closed_trades)
    return Outcome(
        tuple(_told(event) for event in events),
        (*((name, str(amount)) for name, amount in money.items()), ("state", book.trading_state)),
        trades,
    )


def _told(event: dict[str, Any]) -> tuple[object, ...]:
    if "intent" in event:
        intent, fill = event["intent"], event.get("fill") or {}
        what = intent["leg"], intent["side"], intent["quantity"], intent.get("price"), intent.get("stop_price")
        return (event["is"], *what, intent["state"], event.get("reason"), fill.get("price"), fill.get("quantity"))
    after = event.get("after") or {}
    money = event["realized_pnl"], event["fee"], event["funding"], event["wallet_balance"]
    return (
        event["is"],
        event["cause"],
        after.get("quantity"),
        after.get("stop_loss"),
        after.get("take_profit"),
        *money,
    )


PURGE = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}
_PATIENT = {"strategy_id": "patient", "strategy_name": "patient", "order_preference": "maker_only"}
STRATEGIES = {"plain": values.strategy(), "patient": values.strategy().model_copy(update=_PATIENT)}


def resting(book: AccountBook) -> bool:
    return any(o.intent.leg == "entry" for o in book.orders.values())
