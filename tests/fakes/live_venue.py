"""A live venue in memory: the exchange's own book behind the typed port, with answers that a test chooses."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from libs.runtime.errors import Unavailable
from libs.schemas.account import Account, MarginMode
from libs.schemas.orders import Fill
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import MarginTier, VenueSymbol
from services.executor.domain.replies import (
    Balances,
    Canceled,
    CancelReply,
    Exists,
    Fees,
    FillReport,
    FundingReport,
    NotSent,
    OrderReport,
    Placed,
    PositionReport,
    Rejected,
    Reply,
    Unknown,
    VenueEvent,
)
from services.executor.domain.unified import STATES, TYPES
from services.executor.ports.venues import LiveVenue, Submittable, order_of
from tests.fakes.clock import FakeClock
from tests.fakes.exchange.book import Book, Position, Refusal

TIME_IN_FORCE = {"gtc": "GTC", "ioc": "IOC", "post_only": "GTX"}


@dataclass
class FakeVenue:
    """`answers` are what the next orders meet: None goes through; `lost` answers Unknown and takes nothing,
    `late` answers Unknown and takes it, `held` is not sent, `no` is rejected."""

    clock: FakeClock
    book: Book = field(default_factory=lambda: Book(algo=False))
    answers: deque[str | None] = field(default_factory=deque)
    sent: list[str] = field(default_factory=list)
    away: bool = False
    withdraws: bool | None = None
    events: asyncio.Queue[VenueEvent] = field(default_factory=asyncio.Queue)
    closed: bool = False
    validity_s: float = 1.5

    async def submit(self, order: Submittable, checked_at: datetime | None = None) -> Reply:
        intent = order_of(order).intent
        key = intent.client_order_id
        answer = self.answers.popleft() if self.answers else None
        settled = self.clock.wall().fromtimestamp(self.clock.wall().timestamp() + self.validity_s, UTC)
        if answer == "held":
            return NotSent(key, 1.0, "429")
        self.sent.append(f"{intent.leg} {intent.quantity.normalize():f}")
        if answer == "lost":
            return Unknown(key, settled)
        if answer == "no":
            return Rejected(key, OrderReason.VENUE_ERROR, "no")
        try:
            made = self._place(intent)
        except Refusal as refusal:
            if refusal.body["code"] == -4116:
                return Exists(key)
            return Rejected(key, OrderReason.VENUE_ERROR, str(refusal))
        if answer == "late":
            return Unknown(key, settled)
        report = self._report(made)
        return Placed(key, report.venue_order_id, report.state, report.filled, report.average)

    def _place(self, intent: object) -> dict[str, object]:
        self.book.now_ms = int(self.clock.now().timestamp() * 1_000)
        query = {
            "symbol": intent.symbol,  # type: ignore[attr-defined]
            "side": intent.side.upper(),  # type: ignore[attr-defined]
            "type": intent.type.upper(),  # type: ignore[attr-defined]
            "quantity": str(intent.quantity),  # type: ignore[attr-defined]
            "newClientOrderId": intent.client_order_id,  # type: ignore[attr-defined]
            "timeInForce": TIME_IN_FORCE[intent.time_in_force],  # type: ignore[attr-defined]
            "reduceOnly": str(intent.reduce_only).lower(),  # type: ignore[attr-defined]
            "price": str(intent.price or 0),  # type: ignore[attr-defined]
            "stopPrice": str(intent.stop_price or 0),  # type: ignore[attr-defined]
        }
        return self.book.place(query, algo=False)

    async def submit_all(self, orders: Sequence[Submittable], checked_at: datetime | None = None) -> Sequence[Reply]:
        return [await self.submit(order, checked_at) for order in orders]

    async def cancel(
        self, symbol: str, client_order_id: str, reason: OrderReason = OrderReason.DECISION
    ) -> CancelReply:
        self.sent.append("cancel")
        try:
            self.book.cancel(client_order_id, None, algo=False)
        except Refusal:
            return Canceled(client_order_id, found=False)
        return Canceled(client_order_id)

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        self._ask()
        try:
            return self._report(self.book.find(client_order_id, None, algo=False, missing=-2013))
        except Refusal:
            return None

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        self._ask()
        return [self._report(order) for order in self.book.open(symbol, algo=False)]

    async def positions(self) -> Sequence[PositionReport]:
        self._ask()
        return [_position(symbol, held) for symbol, held in self.book.positions.items() if held.amount]

    async def balances(self) -> Balances:
        self._ask()
        return Balances(self.book.wallet, self.book.wallet)

    async def fills(self, symbol: str, since: datetime) -> Sequence[FillReport]:
        self._ask()
        return [self._fill(trade) for trade in self.book.trades if trade["symbol"] == symbol]

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Decimal:
        return leverage

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> MarginMode:
        return mode

    async def filters(self, symbol: str) -> VenueSymbol | None:
        return None

    async def tiers(self, symbol: str) -> tuple[MarginTier, ...]:
        return ()

    async def fees(self, symbol: str) -> Fees:
        return Fees(Decimal(2), Decimal(5))

    async def funding(self, symbol: str) -> FundingReport | None:
        return None

    async def server_time(self) -> datetime:
        return self.clock.wall()

    async def can_withdraw(self) -> bool | None:
        return self.withdraws

    async def close(self) -> None:
        self.closed = True

    async def stream(self) -> AsyncIterator[VenueEvent]:
        while True:
            yield await self.events.get()

    def _ask(self) -> None:
        if self.away:
            raise Unavailable("the venue is away")

    def _report(self, order: dict[str, object]) -> OrderReport:
        filled, state = Decimal(str(order["executedQty"])), STATES[str(order["status"])]
        return OrderReport(
            client_order_id=str(order["clientOrderId"]),
            venue_order_id=str(order["orderId"]),
            symbol=str(order["symbol"]),
            side="buy" if order["side"] == "BUY" else "sell",
            type=TYPES[str(order["type"])],
            quantity=Decimal(str(order["origQty"])),
            filled=filled,
            state=state,
            reduce_only=bool(order["reduceOnly"]),
            stop_price=Decimal(str(order["stopPrice"])) or None,
            average=Decimal(str(order["avgPrice"])) or None,
        )

    def _fill(self, trade: dict[str, object]) -> FillReport:
        order = self.book.find(None, str(trade["orderId"]), algo=False, missing=-2013)
        made = Fill(
            fill_id=str(trade["id"]),
            price=Decimal(str(trade["price"])),
            quantity=Decimal(str(trade["qty"])),
            fee=Decimal(str(trade["commission"])),
            liquidity="taker",
            realized_pnl=Decimal(str(trade["realizedPnl"])),
        )
        at = datetime.fromtimestamp(int(str(trade["time"])) / 1_000, UTC)
        side = "buy" if trade["side"] == "BUY" else "sell"
        return FillReport(str(order["clientOrderId"]), str(trade["symbol"]), side, made, at)  # type: ignore[arg-type]


def _position(symbol: str, held: Position) -> PositionReport:
    side = "long" if held.amount > 0 else "short"
    return PositionReport(symbol, side, abs(held.amount), held.entry, Decimal(10), "isolated")  # type: ignore[arg-type]


@dataclass
class FakeLive:
    """The way to one venue, with everything that the gates ask for."""

    venue: FakeVenue
    allowed: bool = True
    adopts: frozenset[str] = frozenset()
    credential: bool = True

    def has_credential(self, account: Account) -> bool:
        return self.credential

    async def open(self, account: Account) -> LiveVenue:
        return self.venue
