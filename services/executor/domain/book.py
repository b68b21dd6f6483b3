"""The account as one frozen value: wallet, positions, orders, history. Every change makes a new book."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.perps.margin import initial_margin, unrealized_pnl
from libs.schemas.account import (
    Account,
    ClosedTrade,
    Leg,
    MarginMode,
    Mode,
    PerformanceMetrics,
    Position,
    Reservation,
    TradeHistory,
    TradingDay,
    TradingState,
)
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from libs.schemas.strategy import OrderPreference

ZERO = Decimal(0)
CENTS = Decimal("1e-8")
KEEP_ORIGINS = 160
PROTECTION_GRACE = timedelta(seconds=5)


def cents(amount: Decimal) -> Decimal:
    """Money is kept to eight decimals, so that sums of it are exact."""
    return amount.quantize(CENTS)


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that the venue has and that is not terminal.

    `reference` is the price that its margin is reckoned at. An entry carries the prices of its protection, how long its
    position may be held, and what is done when it rests in vain: `rests` counts its repricings, and nothing follows it
    after `valid_until`. `arrives_at` is when a venue with latency gets it.
    """

    intent: OrderIntent
    correlation_id: str
    created_at: datetime
    leverage: Decimal
    reference: Decimal
    filled: Decimal = ZERO
    fills: int = 0
    stop: Decimal | None = None
    target: Decimal | None = None
    exit_plan: str | None = None
    invalidation: str | None = None
    preference: OrderPreference = "any"
    ladder: bool = False
    rests: int = 0
    valid_until: datetime | None = None
    max_hold_minutes: int | None = None
    arrives_at: datetime | None = None
    cause: OrderReason | None = None
    strategy_id: str | None = None

    @property
    def left(self) -> Decimal:
        return self.intent.quantity - self.filled


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position, and what is needed to tell its story once it is closed.

    `hold_until` ends it whatever the price; `bare_since` is when it was first seen without a stop of its full size.
    """

    position: Position
    correlation_id: str
    entered: Decimal
    exited: Decimal = ZERO
    exit_value: Decimal = ZERO
    peak_margin: Decimal = ZERO
    hold_until: datetime | None = None
    bare_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountBook:
    """One account. `wallet` holds the margins of positions too; `executed` are
    origins that were carried out, and ids of orders that were submitted.

    `control_all` is the last control of all accounts that was carried out: it stays in KV, and `executed` forgets.
    `moved_by` is what moved the trading state by itself, "" where a person did. `peak` is the highest wallet so far.
    `traces` are the trace contexts of what works or is open, by correlation id; `tracing` is the newest decision's.
    `venue_errors` are the times of its last failures. `told` are a live venue's fills that are in these books
    already, and ids of orders that it has had from us;
    `reconciled_at` is the wall time up to which its fills were asked for.
    """

    account_id: str
    version: int
    mode: Mode
    venue: str
    margin_mode: MarginMode
    initial_balance: Decimal
    trading_state: TradingState
    wallet: Decimal
    day: TradingDay
    performance: PerformanceMetrics
    as_of: datetime
    positions: Mapping[str, Holding]
    orders: Mapping[str, WorkingOrder]
    recent_trades: Mapping[str, tuple[TradeHistory, ...]]
    closed_trades: tuple[ClosedTrade, ...]
    last_entry_at: Mapping[str, datetime]
    reservations: Mapping[str, Reservation]
    funded: Mapping[str, datetime]
    executed: tuple[str, ...]
    control_all: str = ""
    realised_total: Decimal = ZERO
    fees_total: Decimal = ZERO
    funding_total: Decimal = ZERO
    insolvency: Decimal = ZERO
    market_sequence: int = 0
    market_created: datetime | None = None
    moved_by: str = ""
    peak: Decimal = ZERO
    traces: Mapping[str, str] = field(default_factory=dict)
    tracing: str = ""
    venue_errors: tuple[datetime, ...] = ()
    told: tuple[str, ...] = ()
    reconciled_at: datetime | None = None

    def leg(self, symbol: str, leg: Leg) -> WorkingOrder | None:
        """The working stop or target of a symbol."""
        return next((o for o in self.orders.values() if o.intent.symbol == symbol and o.intent.leg == leg), None)

    def of(self, symbol: str) -> tuple[WorkingOrder, ...]:
        """Working orders of a symbol, oldest first."""
        return tuple(o for o in self.orders.values() if o.intent.symbol == symbol)

    @property
    def exposed(self) -> frozenset[str]:
        """Symbols whose ticks can change this account."""
        return frozenset(self.positions) | {o.intent.symbol for o in self.orders.values()}


def new_book(config: Account, performance: PerformanceMetrics, now: datetime) -> AccountBook:
    """An account that has never traded, with its configured balance."""
    return AccountBook(
        account_id=config.account_id,
        version=1,
        mode=config.mode,
        venue=config.venue,
        margin_mode=config.margin_mode,
        initial_balance=config.initial_balance,
        trading_state="active",
        wallet=cents(config.initial_balance),
        day=TradingDay(start=day_start(now), open_equity=cents(config.initial_balance)),
        performance=performance,
        as_of=now,
        positions={},
        orders={},
        recent_trades={},
        closed_trades=(),
        last_entry_at={},
        reservations={},
        funded={},
        executed=(),
        peak=cents(config.initial_balance),
    )


def day_start(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def without(items: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in items.items() if k not in keys}


def with_order(book: AccountBook, order: WorkingOrder) -> AccountBook:
    return replace(book, orders={**book.orders, order.intent.client_order_id: order})


def marked(book: AccountBook, executed: Iterable[str]) -> AccountBook:
    """The book that remembers these origins as submitted; the oldest are forgotten."""
    fresh = tuple(dict.fromkeys(o for o in executed if o not in book.executed))
    return replace(book, executed=(*book.executed, *fresh)[-KEEP_ORIGINS:])


def traced(book: AccountBook, correlation_id: str, trace: str | None) -> AccountBook:
    """The book that remembers where a decision came from."""
    if trace is None:
        return book
    return replace(book, traces={**book.traces, correlation_id: trace}, tracing=correlation_id)


def profit(holding: Holding, mark: Decimal | None) -> Decimal:
    """Unrealised profit at the mark; 0 where no mark is known."""
    at = holding.position
    return unrealized_pnl(at.side, at.quantity, at.entry_price, mark) if mark else ZERO


def equity(book: AccountBook, marks: Mapping[str, Decimal | None]) -> Decimal:
    """Wallet plus unrealised profit."""
    return cents(book.wallet + sum((profit(h, marks.get(s)) for s, h in book.positions.items()), ZERO))


def order_margin(order: WorkingOrder) -> Decimal:
    """What a working entry holds back; exits hold nothing."""
    if order.intent.reduce_only:
        return ZERO
    return initial_margin(order.left, order.reference, order.leverage)


def available(book: AccountBook) -> Decimal:
    """Wallet less the margins of isolated positions and of working entries."""
    held = sum((h.position.margin for h in book.positions.values()), ZERO)
    return book.wallet - held - sum((order_margin(o) for o in book.orders.values()), ZERO)


def rolled(book: AccountBook, marks: Mapping[str, Decimal | None], now: datetime) -> AccountBook:
    """The book in the UTC day of `now`: at the rollover the day opens with the equity of that moment."""
    start = day_start(now)
    if start <= book.day.start:
        return book
    return replace(book, day=TradingDay(start=start, open_equity=equity(book, marks)))


def next_expiry(book: AccountBook) -> datetime:
    """When the first working order expires, a position has been held long enough, or the day ends, in market time."""
    ends = [o.intent.expires_at for o in book.orders.values() if o.intent.expires_at]
    ends += [h.hold_until for h in book.positions.values() if h.hold_until]
    ends += [h.bare_since + PROTECTION_GRACE for h in book.positions.values() if h.bare_since]
    return min([*ends, book.day.start + timedelta(days=1)])
