"""Accounts on the paper venue in one process, without bus or database: real candles, real rules, a made-up trader."""

import csv
import gzip
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from cli.run.seed import read_accounts, read_strategies, read_venue
from libs.risk.accounts import account_view
from libs.risk.judge import judge
from libs.risk.values import Limits
from libs.schemas.account import Account, MarginMode
from libs.schemas.decision import (
    StrategyRef,
)
from libs.schemas.market import FundingUpdate
from libs.schemas.reasons import OrderReason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from services.executor.domain import paper
from services.executor.domain.bands import Band, band
from services.executor.domain.book import PROTECTION_GRACE, AccountBook, equity, marked, new_book, next_expiry, without
from services.executor.domain.changes import OrderChange, PositionChange, Turn, seal
from services.executor.domain.liquidation import fund
from services.executor.domain.performance import performance
from services.executor.domain.plan import cancels, orders, plan, reserving
from services.executor.domain.quote import Market, Quote, SymbolRules, rules_of
from services.executor.domain.state import account_state
from services.executor.domain.timers import move_due, tended
from services.executor.domain.trading import TradingBounds
from tests import builders
from tests.fakes.executor_trader import trader
from tests.fakes.independent_books import Books

DATA = Path(os.environ.get("PERPETUA_DATA_DIR", Path(__file__).parents[2].parent / "shared" / "data"))
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")
MINUTE = timedelta(minutes=1)
ZERO = Decimal(0)
NEVER = datetime.max.replace(tzinfo=UTC)
Row = tuple[str, str, str, str, str]


def candles(symbol: str, days: int) -> Iterator[tuple[datetime, Row]]:
    """Open time, then open, high, low, close and volume as they are written."""
    with gzip.open(DATA / f"{symbol}-1m.csv.gz", "rt") as file:
        rows = csv.reader(file)
        next(rows)
        for _, (time, *values) in zip(range(days * 1_440), rows, strict=False):
            yield (
                datetime.fromtimestamp(int(time) / 1_000, UTC),
                (values[0], values[1], values[2], values[3], values[4]),
            )


def fundings(symbol: str) -> list[FundingUpdate]:
    with gzip.open(DATA / f"{symbol}-funding.csv.gz", "rt") as file:
        rows = csv.reader(file)
        next(rows)
        return [
            FundingUpdate(
                symbol=symbol,
                funding_time=datetime.fromtimestamp(int(time) / 1_000, UTC),
                rate=float(rate),
                mark_price=float(mark) if mark else None,
            )
            for time, rate, mark in rows
        ]


@dataclass
class Desk:
    """One account, and its double entry: what every write's events say, against what the wallet did."""

    config: Account
    strategy: TradingStrategy
    book: AccountBook
    bands: dict[str, Band] = field(default_factory=dict)
    due: datetime = NEVER
    kinds: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=lambda: {"realised": ZERO, "fees": ZERO, "funding": ZERO})
    broken: list[str] = field(default_factory=list)
    mirror: Books | None = None

    def write(self, turn: Turn, market: Market) -> None:
        """Take the turn as the next version, its events balanced to the last digit."""
        if turn.book is self.book:
            return
        before = self.book
        self.book, _ = seal(turn, market.now)
        self.bands = {s: band(self.book, s, market.rules[s].filters) for s in self.book.exposed}
        self.due = next_expiry(self.book)
        self._balance(before, turn)
        if self.mirror is not None:
            self._mirrored(self.mirror, turn, market)
        self._protected(market.now)

    def _balance(self, before: AccountBook, turn: Turn) -> None:
        fills = [c.fill for c in turn.changes if isinstance(c, OrderChange) and c.fill]
        positions = [c for c in turn.changes if isinstance(c, PositionChange)]
        made = {
            "realised": sum((f.realized_pnl for f in fills), ZERO),
            "fees": sum((f.fee for f in fills), ZERO),
            "funding": sum((c.funding for c in positions), ZERO),
        }
        borne = sum((c.insolvency for c in positions), ZERO)
        told = before.wallet + made["realised"] - made["fees"] + made["funding"] + borne
        for name, amount in made.items():
            self.sums[name] += amount
        self.kinds.update(f"{c.intent.leg}.{c.kind}" for c in turn.changes if isinstance(c, OrderChange))
        self.causes.update(str(c.cause) for c in positions)
        if told != self.book.wallet or self.book.wallet < 0:
            self.broken.append(f"version {self.book.version}: {before.wallet} + {made} is not {self.book.wallet}")
        if sum((c.realized_pnl for c in positions), ZERO) != made["realised"]:
            self.broken.append(f"version {self.book.version}: positions and fills differ")

    def _mirrored(self, books: Books, turn: Turn, market: Market) -> None:
        """The independent books take the executions, and must then say the same of everything."""
        for change in turn.changes:
            if isinstance(change, OrderChange) and change.fill:
                quote = market.quotes[change.intent.symbol]
                at = change.intent.state_times[change.intent.state]
                books.executed(change.intent, change.fill, quote.price, quote.minute_volume or ZERO, at)
        self._agrees(books, market)

    def _agrees(self, books: Books, market: Market) -> None:
        book = self.book
        held = {
            s: (h.position.quantity if h.position.side == "long" else -h.position.quantity)
            for s, h in book.positions.items()
        }
        marks = {s: q.mark for s, q in market.quotes.items()}
        ours = (book.wallet, book.realised_total, book.fees_total, book.funding_total, held, equity(book, marks))
        worth = (books.wallet + books.profit(marks)).quantize(Decimal("1e-8"))
        theirs = (books.wallet, books.realised, books.fees, books.funding, books.positions(), worth)
        if ours != theirs:
            self.broken.append(f"version {book.version}: {ours} is not {theirs}")

    def _protected(self, now: datetime) -> None:
        for symbol, holding in self.book.positions.items():
            if holding.bare_since is not None and now - holding.bare_since > PROTECTION_GRACE:
                self.broken.append(f"version {self.book.version}: {symbol} is bare since {holding.bare_since}")
            reducing = [o for o in self.book.of(symbol) if o.intent.reduce_only]
            if any(o.left > holding.position.quantity for o in reducing):
                self.broken.append(f"version {self.book.version}: {symbol} could be reduced by more than it has")


class Simulation:
    """Every tick of every symbol to every account whose bands it touches, a decision every five minutes.

    With `mode` the accounts have that margin mode, independent books beside them, and hear of their funding late and
    out of order.
    """

    def __init__(self, days: int, mode: MarginMode | None = None) -> None:
        self.mode = mode
        venue = {v.symbol: v for v in read_venue()}
        strategies = {s.strategy_id: s for s in read_strategies()}
        self.filters: dict[str, VenueSymbol] = {s: venue[s] for s in SYMBOLS}
        self.rules: dict[str, SymbolRules] = {s: rules_of(self.filters[s]) for s in SYMBOLS}
        self.series = {s: list(candles(s, days)) for s in SYMBOLS}
        self.fundings = sorted((u for s in SYMBOLS for u in fundings(s)), key=lambda u: u.funding_time)
        self.start = self.series[SYMBOLS[0]][0][0]
        self.last: dict[str, tuple[str, datetime, str]] = {}
        self.closes: dict[str, list[float]] = {s: [] for s in SYMBOLS}
        self.desks = [self._desk(c, strategies[c.strategy_id]) for c in read_accounts()]
        self.ticks = 0
        self.decisions = 0

    def _desk(self, config: Account, strategy: TradingStrategy) -> Desk:
        if self.mode is not None:
            config = config.model_copy(update={"margin_mode": self.mode})
        mirror = Books(config.initial_balance) if self.mode is not None else None
        book = new_book(config, performance((), config.initial_balance), self.start)
        return Desk(config, strategy, book, mirror=mirror)

    def run(self) -> None:
        waiting = [u for u in self.fundings if u.funding_time > self.start]
        if self.mode is not None:
            waiting.sort(key=_told_at)
        for minute in range(len(self.series[SYMBOLS[0]])):
            opened = self.start + minute * MINUTE
            for step in range(4):
                for symbol in SYMBOLS:
                    self._tick(symbol, minute, step, opened + step * MINUTE / 4)
            for symbol in SYMBOLS:
                self.closes[symbol].append(float(self.series[symbol][minute][1][3]))
            now = opened + MINUTE
            while waiting and (_told_at(waiting[0]) if self.mode else waiting[0].funding_time) <= now:
                self._fund(waiting.pop(0), now)
            self._time(now)
            if minute % 5 == 4 and minute >= 60:
                for n, desk in enumerate(self.desks):
                    self._decide(desk, minute // 5 + n, now)

    def _tick(self, symbol: str, minute: int, step: int, at: datetime) -> None:
        open_, high, low, close, volume = self.series[symbol][minute][1]
        rose = float(close) >= float(open_)
        price = (open_, low if rose else high, high if rose else low, close)[step]
        self.last[symbol] = (price, at, volume)
        self.ticks += 1
        value = float(price)
        for desk in self.desks:
            limits = desk.bands.get(symbol)
            if desk.due <= at:
                market = self.market(at)
                desk.write(tended(Turn(desk.book), market, self._bounds(desk)), market)
                limits = desk.bands.get(symbol)
            if limits is not None and limits.hit(value, value):
                market = self.market(at)
                desk.write(paper.on_tick(Turn(desk.book), market.quotes[symbol], market), market)

    def market(self, now: datetime) -> Market:
        quotes = {s: self._quote(s, *last) for s, last in self.last.items()}
        return Market(quotes, self.rules, now)

    def _quote(self, symbol: str, price: str, at: datetime, volume: str) -> Quote:
        exact = Decimal(price)
        return Quote(
            symbol, exact, exact, None, None, at, self.ticks, size=Decimal(volume) / 4, minute_volume=Decimal(volume)
        )

    def _fund(self, update: FundingUpdate, now: datetime) -> None:
        market = self.market(now)
        for desk in self.desks:
            if desk.mirror is not None and update.mark_price is not None:
                rate, mark = Decimal(str(update.rate)), Decimal(str(update.mark_price))
                desk.mirror.funded(update.symbol, update.funding_time, rate, mark)
            desk.write(fund(Turn(desk.book), update, market), market)
            desk.write(fund(Turn(desk.book), update, market), market)  # a second telling changes nothing

    def _time(self, now: datetime) -> None:
        market = self.market(now)
        for desk in self.desks:
            if move_due(desk.book, market, self._bounds(desk)) is not None:
                desk.write(tended(Turn(desk.book), market, self._bounds(desk)), market)

    def _bounds(self, desk: Desk) -> TradingBounds:
        return TradingBounds(max_daily_loss=Decimal(str(desk.strategy.risk_parameters.max_daily_loss)))

    def _decide(self, desk: Desk, turn: int, now: datetime) -> None:
        """A verdict as the validator and the executor come to it, and its plan carried out in one write each."""
        market = self.market(now)
        rows = trader(desk, {s: c[-60:] for s, c in self.closes.items()}, turn)
        decision = builders.decision(*rows)
        seen = {
            s: builders.seen(float(q.mark), last=float(q.price), age_seconds=0, atr_percent=0.2)
            for s, q in market.quotes.items()
        }
        facts = builders.facts(seen, account_version=desk.book.version, as_of=now)
        ends = now + 5 * MINUTE
        view = account_view(account_state(desk.book, None), desk.config, {s: q.mark for s, q in market.quotes.items()})
        limits = Limits(desk.strategy, desk.config, self.filters)
        verdicts = judge(decision, facts, view, limits, now, expires_at=ends).to_wire()
        self.decisions += 1
        name = f"dec-{desk.config.account_id}-{turn}"
        body = builders.validated(
            name,
            account_id=desk.config.account_id,
            account_version=desk.book.version,
            expires_at=ends,
            decision=decision,
            facts=facts,
            strategy=StrategyRef(id=desk.strategy.strategy_id, version=1),
            verdicts=verdicts,
            validated_at=now,
            status="accepted",
        )
        made = plan(body, verdicts, desk.book, now, desk.strategy)
        desk.write(Turn(reserving(desk.book, made)), market)
        turns = Turn(marked(desk.book, [name]) if made.intents else desk.book)
        for gone in cancels(made, turns.book):
            turns = paper.canceled(turns, gone, OrderReason.DECISION, now)
        for order in orders(made):
            turns = paper.submit(turns, order, market)
        freed = without(turns.book.reservations, *made.reservation)
        if freed != turns.book.reservations:
            turns = replace(turns, book=replace(turns.book, reservations=freed))
        desk.write(turns, market)


def _told_at(update: FundingUpdate) -> datetime:
    """Every other boundary is told 37 minutes late, the others after the next one."""
    return update.funding_time + (MINUTE * 37 if update.funding_time.hour % 16 else MINUTE * 545)
