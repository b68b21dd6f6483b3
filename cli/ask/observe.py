"""Follows a run on the bus: counts it, and fills the board that the view draws."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import nats.js.errors
import orjson
from nats.js.api import ConsumerInfo
from pydantic import ValidationError

from cli.ask.board import AccountRow, DecisionRow, PositionRow, PriceRow, Screen, decision_rows
from cli.ask.counts import is_live
from cli.ask.looks import QuietLooks
from cli.ask.money import MoneyBook, RunMoney
from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.configuration.standing import told, way_back
from libs.perps.margin import unrealized_pnl
from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas.account import AccountState, Position
from libs.schemas.market import MarketTick
from libs.schemas.subjects import CONTEXTS, DEAD, DECISIONS, DURABLES, MARKET, ORDERS, tick
from libs.schemas.topology import Durable

POLL_S = 1.0
SETTLE_S = 1.0
_COUNTED = {
    DECISIONS.name: ("decision.validated.*", "decision.rejected.*", "decision.answered.*", "decision.evaluated.*"),
    ORDERS.name: ("order.*.*",),
    DEAD.name: DEAD.subjects,
    MARKET.name: ("market.funding.*", "market.note.*"),
}
_AWAY: tuple[type[Exception], ...] = (*NATS_AWAY, Unavailable, nats.js.errors.Error)


class Observer:
    """Counts from the moment of `start` on. `on_decision` is told each decision of the live arm, as rows;
    `place` is what commands need to find this run."""

    def __init__(
        self,
        bus: Bus,
        board: Screen,
        symbols: tuple[str, ...],
        *,
        on_decision: Callable[[list[DecisionRow]], None] = lambda rows: None,
        place: str = "",
    ) -> None:
        self._bus = bus
        self._board = board
        self._symbols = symbols
        self._on_decision = on_decision
        self._place = place
        self._readers: dict[str, OrderedReader] = {}
        self._baselines: dict[str, int] = {}
        self._others = 0
        self._looks = QuietLooks()
        self._money = MoneyBook()
        self.lags: dict[str, int] = {}
        self._state = StateMirror(bus)
        self._config = ConfigMirror(bus)
        self._clock = MarketClockMirror(bus)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for stream in (*_COUNTED, CONTEXTS.name):
            self._baselines[stream] = await self._last(stream)
        for stream, filters in _COUNTED.items():
            start = Start.at(self._baselines[stream] + 1)
            self._readers[stream] = OrderedReader(self._bus, stream, filters, self._on_record, start=start)
        await self._follow()
        for reader in self._readers.values():
            await reader.start()
        self._task = asyncio.create_task(self._poll(), name="observer")

    async def look_once(self) -> None:
        """Fill the board with what is known now, without counting."""
        await self._follow()
        await self._look()

    async def _follow(self) -> None:
        await self._config.start()
        await self._state.start()
        await self._clock.start()

    async def stop(self) -> None:
        if self._task is not None:
            await end([self._task])
        with contextlib.suppress(*_AWAY):
            for reader in self._readers.values():
                await reader.stop()
            await self._clock.stop()
            await self._state.stop()
            await self._config.stop()

    async def settle(self) -> None:
        """Take in what is on the bus by now, so that the counts are those of this moment; at most a second."""
        catching_up = asyncio.create_task(self._catch_up(), name="settle")
        await asyncio.wait({catching_up}, timeout=SETTLE_S)
        await end([catching_up])
        if not catching_up.cancelled():
            catching_up.result()

    async def _catch_up(self) -> None:
        with contextlib.suppress(*_AWAY, TimeoutError):
            await self._count_sequences()
            for stream, reader in self._readers.items():
                await reader.reached(await self._last_counted(stream))

    async def _last(self, stream: str) -> int:
        return int((await self._bus.js.stream_info(stream)).state.last_seq)

    async def _last_counted(self, stream: str) -> int:
        """Sequence of the newest message of the stream that its reader takes."""
        newest = self._baselines[stream]
        for pattern in _COUNTED[stream]:
            with contextlib.suppress(nats.js.errors.NotFoundError):
                message = await self._bus.js.get_last_msg(stream, pattern)
                newest = max(newest, message.seq or 0)
        return newest if newest > self._baselines[stream] else 0

    def _on_record(self, record: Record) -> None:
        if record.subject.startswith("market."):
            self._others += 1
            return
        body: Mapping[str, Any] = orjson.loads(record.data)
        self._board.counts.add(record.subject, body)
        if record.subject.startswith("decision.") and is_live(body):
            rows = decision_rows(record.subject, body)
            self._board.decided(rows)
            self._on_decision(rows)

    async def _poll(self) -> None:
        while True:
            try:
                await self._look()
                self._board.notice = ""
            except _AWAY:
                self._board.notice = "NATS is away: everything waits for it"
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        if not self._bus.nc.is_connected or self._looks.asks():
            await self._ask()
        board = self._board
        clock = self._clock.present
        board.market_time = self._clock.now()
        board.paused, board.speed = self._clock.paused, clock.speed if clock else 1.0
        board.accounts = self.accounts()
        states = self._state.items()
        for row in board.accounts:
            if (state := states.get(row.account)) is not None:
                self._money.look(state, row.equity)

    async def _ask(self) -> None:
        """What the server alone knows: some forty requests, which a run that only waits makes seldom."""
        before = self._board.counts.ticks
        if self._baselines:
            await self._count_sequences()
        if not self._looks.moved(self._board.counts.ticks != before):
            return
        for symbol in self._symbols:
            await self._look_at_price(symbol)
        self.lags = await lags(self._bus)

    def money(self) -> dict[str, RunMoney]:
        """What each account made since the run began."""
        changes = {symbol: row.change_pct for symbol, row in self._board.prices.items()}
        symbols = {name: tuple(account.symbols) for name, account in self._config.accounts.items()}
        return self._money.told(changes, symbols)

    def accounts(self) -> list[AccountRow]:
        """As their states are known now."""
        return [self._account(state) for _, state in sorted(self._state.items().items())]

    async def _count_sequences(self) -> None:
        counts = self._board.counts
        counts.contexts = await self._last(CONTEXTS.name) - self._baselines[CONTEXTS.name]
        counts.ticks = max(0, await self._last(MARKET.name) - self._baselines[MARKET.name] - self._others)

    async def _look_at_price(self, symbol: str) -> None:
        try:
            message = await self._bus.js.get_last_msg(MARKET.name, tick(symbol), direct=True)
        except nats.js.errors.NotFoundError:
            return
        try:
            price = MarketTick.model_validate_json(message.data or b"").price
        except ValidationError:
            return  # somebody published what is no tick: the context worker dead-letters it
        row = self._board.prices.setdefault(symbol, PriceRow(price, price))
        row.price = price
        row.samples.append(price)

    def _account(self, state: AccountState) -> AccountRow:
        account = self._config.account(state.account_id)
        positions = tuple(self._position(position) for position in state.positions)
        return AccountRow(
            account=state.account_id,
            strategy=account.strategy_id if account else "",
            trading_state=state.trading_state,
            equity=state.wallet_balance + sum((row.pnl for row in positions), Decimal(0)),
            start=account.initial_balance if account else state.wallet_balance,
            positions=positions,
            standing="" if state.trading_state == "active" else told(state),
            way_back="" if state.trading_state == "active" else way_back(state.account_id, state.standing, self._place),
        )

    def _position(self, position: Position) -> PositionRow:
        known = self._board.prices.get(position.symbol)
        mark = Decimal(str(known.price)) if known else position.entry_price
        pnl = unrealized_pnl(position.side, position.quantity, position.entry_price, mark)
        return PositionRow(position.symbol, position.side, position.quantity, position.entry_price, mark, pnl)


async def lags(bus: Bus) -> dict[str, int]:
    """Messages waiting and in hand, per durable consumer. Trap: to list consumers an observer has no right."""
    infos = await asyncio.gather(*(_durable(bus, one) for one in DURABLES))
    return {info.name: (info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos if info}


async def _durable(bus: Bus, durable: Durable) -> ConsumerInfo | None:
    """None where it was not provisioned yet."""
    try:
        info: ConsumerInfo = await bus.js.consumer_info(durable.stream, durable.name)
    except nats.js.errors.NotFoundError:
        return None
    return info


def lag_of(worker: str, lags: Mapping[str, int]) -> int | None:
    """What waits for all copies of a worker together; None for one without durables."""
    own = [lag for durable, lag in lags.items() if durable.partition("-")[0] == worker]
    return sum(own) if own else None
