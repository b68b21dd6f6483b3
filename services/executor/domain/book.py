"""The account as one frozen value: wallet, positions, orders, history. Every change makes a new book."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.perps.fees import BPS
from libs.perps.margin import initial_margin
from libs.perps.sides import sign
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
    TradingStanding,
    TradingState,
)
from libs.schemas.acts import ActOutcome
from libs.schemas.base import Number
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

    `reference` is the price that its margin is reckoned at, `fee_bps` the fee that is held back with it. An entry
    carries the prices of its protection, how long its position may be held, and what is done when it rests in vain:
    `rests` counts its repricings, and nothing follows it after `valid_until`. With `stop_away` and `target_away`
    (fractions) its stop and target keep that distance from the average of what is filled. It meets the market with the
    first tick from `arrives_at` on; `seen` is the last price that it was held against since then.
    """

    intent: OrderIntent
    correlation_id: str
    created_at: datetime
    leverage: Number
    reference: Number
    filled: Number = ZERO
    fills: int = 0
    stop: Number | None = None
    target: Number | None = None
    stop_away: Number | None = None
    target_away: Number | None = None
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
    fee_bps: Number = ZERO
    seen: Number | None = None

    @property
    def left(self) -> Decimal:
        return self.intent.quantity - self.filled


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position, and what is needed to tell its story once it is closed.

    `cost` is Σ quantity × price of what is open, to the last digit: the position's average entry is derived from it.
    `entry_value` is the same of all that was ever entered. Documents of before have neither: None reads as the average.
    `hold_until` ends it whatever the price; `bare_since` is when it was first seen without a stop of its full size.
    """

    position: Position
    correlation_id: str
    entered: Number
    exited: Number = ZERO
    exit_value: Number = ZERO
    peak_margin: Number = ZERO
    hold_until: datetime | None = None
    bare_since: datetime | None = None
    cost: Number | None = None
    entry_value: Number | None = None
    insolvency: Number = ZERO

    @property
    def spent(self) -> Decimal:
        return self.position.quantity * self.position.entry_price if self.cost is None else self.cost

    @property
    def entered_value(self) -> Decimal:
        return self.entered * self.position.entry_price if self.entry_value is None else self.entry_value


@dataclass(frozen=True, slots=True)
class Exposure:
    """From `at` on (market time) so much of a symbol was held: base units, negative for a short."""

    at: datetime
    quantity: Number


@dataclass(frozen=True, slots=True)
class AccountBook:
    """One account. `wallet` holds the margins of positions too; `executed` are
    origins that were carried out, and ids of orders that were submitted.

    `control_all` is the last control of all accounts that was carried out: it stays in KV, and `executed` forgets.
    `moved_by` is what moved the trading state by itself, "" where a person did; `standing` is what
    others are told of that. `peak` is the highest wallet so far.
    `traces` are the trace contexts of what works or is open, by correlation id; `tracing` is the newest decision's.
    `venue_errors` are the times of its last failures. `told` are a live venue's fills that are in these books
    already, and ids of orders that it has had from us;
    `reconciled_at` is the wall time up to which its fills were asked for.

    wallet = initial balance + realised − fees + funding + insolvency (+ transfers): what a position lost beyond what it
    could lose is `insolvency`, the venue's loss; `unpaid_clearance` is the part of it that was clearance fees.
    `exposures` say what was held when, for events that are told late; `settled` are the funding boundaries that were
    told, and `funded` is the last that was paid, all by symbol. `acts` are what the last acts by hand came to.
    """

    account_id: str
    version: int
    mode: Mode
    venue: str
    margin_mode: MarginMode
    initial_balance: Number
    trading_state: TradingState
    wallet: Number
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
    realised_total: Number = ZERO
    fees_total: Number = ZERO
    funding_total: Number = ZERO
    insolvency: Number = ZERO
    unpaid_clearance: Number = ZERO
    market_sequence: int = 0
    market_created: datetime | None = None
    moved_by: str = ""
    standing: TradingStanding | None = None
    peak: Number = ZERO
    traces: Mapping[str, str] = field(default_factory=dict)
    tracing: str = ""
    venue_errors: tuple[datetime, ...] = ()
    told: tuple[str, ...] = ()
    reconciled_at: datetime | None = None
    exposures: Mapping[str, tuple[Exposure, ...]] = field(default_factory=dict)
    settled: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    acts: tuple[ActOutcome, ...] = ()

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

    @property
    def concerned(self) -> frozenset[str]:
        """Symbols whose events can: also those that were held, whose funding may yet be told."""
        return self.exposed | frozenset(self.exposures)


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
    """Unrealised profit at the mark, s·(q·M − cost); 0 where no mark is known."""
    at = holding.position
    return sign(at.side) * (at.quantity * mark - holding.spent) if mark else ZERO


def equity(book: AccountBook, marks: Mapping[str, Decimal | None]) -> Decimal:
    """Wallet plus unrealised profit."""
    return cents(book.wallet + sum((profit(h, marks.get(s)) for s, h in book.positions.items()), ZERO))


def order_margin(order: WorkingOrder) -> Decimal:
    """What a working entry holds back, margin and fee; exits hold nothing."""
    if order.intent.reduce_only:
        return ZERO
    paid = order.left * order.reference * order.fee_bps / BPS
    return initial_margin(order.left, order.reference, order.leverage) + paid


def available(book: AccountBook) -> Decimal:
    """Wallet less the margins of isolated positions and of working entries."""
    held = sum((h.position.margin for h in book.positions.values()), ZERO)
    return book.wallet - held - sum((order_margin(o) for o in book.orders.values()), ZERO)


def next_expiry(book: AccountBook) -> datetime:
    """When the first working order expires, a position has been held long enough, or the day ends, in market time."""
    ends = [o.intent.expires_at for o in book.orders.values() if o.intent.expires_at]
    ends += [h.hold_until for h in book.positions.values() if h.hold_until]
    ends += [h.bare_since + PROTECTION_GRACE for h in book.positions.values() if h.bare_since]
    return min([*ends, book.day.start + timedelta(days=1)])
