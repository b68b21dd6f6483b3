"""A live market through ccxt.pro. ccxt is imported when it is opened: 118 MiB, seconds."""

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from libs.runtime.clock import Clock
from libs.runtime.ending import end
from libs.schemas.market import Candle, FundingUpdate, MarketTick
from libs.schemas.symbols import ours, unified
from services.feed.domain.history import PAGE, closed_candles
from services.feed.domain.live import (
    ExchangeQuote,
    paid,
    paid_before,
    quiet_tick,
    trade_tick,
    with_interest,
    with_interval,
    with_mark,
    with_ticker,
    with_trade,
)
from services.feed.domain.rows import number as read
from services.feed.domain.timeframes import TIMEFRAMES
from services.feed.ports import CannotFollow, ExchangeAway, Interrupted, LiveEvent, StreamSilent

OPTIONS: dict[str, dict[str, Any]] = {
    "aster": {"defaultType": "swap", "builderFee": False},
    "binanceusdm": {"defaultType": "swap", "fetchCurrencies": False},
}
NO_OPEN_INTEREST = ("aster",)  # ccxt has no unified one there
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
QUEUE = 50_000
PATIENT = 5  # times the limit: marks come every second or three, but a market may be without trades for minutes
LiveQueue = asyncio.Queue[LiveEvent | StreamSilent]
log = logging.getLogger(__name__)


class CcxtProExchange(Protocol):
    """What is used of a ccxt.pro exchange."""

    markets: Any

    async def load_markets(self) -> Any: ...
    async def fetch_time(self) -> Any: ...
    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Any: ...
    async def fetch_open_interest(self, symbol: str) -> Any: ...
    async def watch_trades_for_symbols(self, symbols: list[str]) -> Any: ...
    async def watch_mark_prices(self, symbols: list[str]) -> Any: ...
    async def watch_tickers(self, symbols: list[str]) -> Any: ...
    async def close(self) -> None: ...


def open_exchange(venue: str) -> tuple[CcxtProExchange, type[Exception]]:
    """The public side of an exchange: no key. Raises CannotFollow where ccxt is not installed."""
    try:
        pro, errors = importlib.import_module("ccxt.pro"), importlib.import_module("ccxt.base.errors")
    except ModuleNotFoundError:
        raise CannotFollow(
            "PERPETUA_FEED=ccxt needs ccxt: `make setup` installs it (or requirements/live.txt)"
        ) from None
    return getattr(pro, venue)({"enableRateLimit": True, "options": dict(OPTIONS[venue])}), errors.BaseError


class CcxtMarket:
    """The market of some symbols at one exchange, by wall time. `opener` gives the exchange and its errors' class.

    After `silence_s` wall seconds without a word a stream is dead: a socket may die without an error.
    """

    def __init__(
        self,
        venue: str,
        symbols: Sequence[str],
        clock: Clock,
        quiet_s: float,
        opener: Callable[[str], tuple[CcxtProExchange, type[Exception]]] = open_exchange,
        silence_s: float = 60,
    ) -> None:
        self.source = venue
        self.symbols = tuple(symbols)
        self.begins = clock.wall()
        self._clock = clock
        self._quiet = timedelta(seconds=quiet_s)
        self._silence_s = silence_s
        self._opener = opener
        self._exchange: CcxtProExchange | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._skew = timedelta()
        self._names = {unified(symbol) or symbol: symbol for symbol in self.symbols}
        self._quotes = {symbol: ExchangeQuote(symbol) for symbol in self.symbols}
        self._told: dict[str, datetime] = {}

    def now(self) -> datetime:
        """The exchange's time."""
        return self._clock.wall() + self._skew

    async def open(self) -> None:
        """Raises CannotFollow, ExchangeAway."""
        if self._exchange is None:
            self._exchange, base = await asyncio.to_thread(self._opener, self.source)
            self._errors = (base, OSError, TimeoutError)
        markets = await self._ask("load_markets")
        if unknown := [symbol for name, symbol in self._names.items() if name not in markets]:
            raise CannotFollow(f"{self.source} has no linear perpetual {', '.join(unknown)}; take it off ASSETS")
        server = read(await self._ask("fetch_time"))
        if server is not None:
            self._skew = timedelta(seconds=server / 1_000 - self._clock.wall().timestamp())
        await self._intervals()

    async def _intervals(self) -> None:
        """How long each symbol's funding interval is. Where nobody says, the next boundary that moves on tells."""
        if not hasattr(self._exchange, "fetch_funding_intervals"):
            return
        try:
            rows = await self._ask("fetch_funding_intervals", list(self._names))
        except ExchangeAway as error:
            log.warning("the intervals of funding are not known yet: %s", error)
            return
        for symbol, row in self._of_ours(rows):
            self._quotes[symbol] = with_interval(self._quotes[symbol], row)

    async def funding(self, symbol: str, since: datetime) -> list[FundingUpdate]:
        """What was paid after `since`, oldest first; nothing where the exchange does not tell. Raises ExchangeAway."""
        if not hasattr(self._exchange, "fetch_funding_rate_history"):
            return []
        rows = await self._ask("fetch_funding_rate_history", unified(symbol), int(since.timestamp() * 1_000) + 1, PAGE)
        return [update for update in paid_before(symbol, rows) if since < update.funding_time <= self.now()]

    async def close(self) -> None:
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            await exchange.close()

    async def candles(self, symbol: str, timeframe: str, since: datetime) -> list[Candle]:
        """Closed candles that open at `since` or later, page by page. Raises ExchangeAway."""
        found: list[Candle] = []
        at, length = since, TIMEFRAMES[timeframe]
        while at + length <= self.now():
            rows = await self._ask("fetch_ohlcv", unified(symbol), timeframe, int(at.timestamp() * 1_000), PAGE)
            page = [c for c in closed_candles(symbol, timeframe, rows, self.now()) if c.open_time >= at]
            found += page
            if not page or len(rows) < PAGE:
                break
            at = page[-1].close_time
        return found

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Ticks and funding from now on; Interrupted after each break. Endless. Raises StreamSilent."""
        queue: LiveQueue = asyncio.Queue(QUEUE)
        watches = (
            ("watch_trades_for_symbols", self._trades, PATIENT * self._silence_s),
            ("watch_mark_prices", self._marks, self._silence_s),
            ("watch_tickers", self._tickers, PATIENT * self._silence_s),
        )
        tasks = [asyncio.create_task(self._watch(method, take, limit, queue)) for method, take, limit in watches]
        tasks.append(asyncio.create_task(self._pulse(queue)))
        try:
            while True:
                event = await queue.get()
                if isinstance(event, StreamSilent):
                    raise event
                yield event
        finally:
            await end(tasks)

    async def _watch(
        self, method: str, take: Callable[[Any], list[LiveEvent]], limit_s: float, queue: LiveQueue
    ) -> None:
        failures = 0
        while True:
            try:
                rows = await _within(getattr(self._exchange, method)(list(self._names)), limit_s)
                if rows is None:
                    await queue.put(StreamSilent(f"{method} of {self.source} said nothing for {limit_s:g} s"))
                    return
                for event in take(rows):
                    await queue.put(event)
                failures = 0
            except self._errors as error:
                log.warning("%s: %s is interrupted: %s", self.source, method, type(error).__name__)
                await queue.put(Interrupted(self.now()))
                await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1

    def _trades(self, rows: Any) -> list[LiveEvent]:
        made: list[LiveEvent] = []
        for row in rows:
            symbol = ours(str(row.get("symbol")))
            if symbol not in self._quotes:
                continue
            if (tick := trade_tick(self._quotes[symbol], row, self.source)) is not None:
                self._quotes[symbol] = with_trade(self._quotes[symbol], tick)
                made.append(self._tell(tick))
        return made

    def _marks(self, rows: Any) -> list[LiveEvent]:
        made: list[LiveEvent] = []
        for symbol, row in self._of_ours(rows):
            before = self._quotes[symbol]
            self._quotes[symbol] = after = with_mark(before, row, self.now())
            if (update := paid(before, after)) is not None:
                made.append(update)
        return made

    def _tickers(self, rows: Any) -> list[LiveEvent]:
        for symbol, row in self._of_ours(rows):
            self._quotes[symbol] = with_ticker(self._quotes[symbol], row, self.now())
        return []

    def _of_ours(self, rows: Any) -> list[tuple[str, Any]]:
        return [(s, row) for name, row in rows.items() if (s := ours(str(name))) is not None and s in self._quotes]

    async def _pulse(self, queue: LiveQueue) -> None:
        """A symbol that nobody trades has a tick all the same; open interest is asked for where there is one."""
        while True:
            await asyncio.sleep(self._quiet.total_seconds() / 3)
            for tick in self.quiet_ticks():
                await queue.put(tick)
            await self._interest()

    def quiet_ticks(self) -> list[MarketTick]:
        """Of symbols of which no trade came lately, but something else: what was told before is not told again."""
        made: list[MarketTick] = []
        for symbol, quote in self._quotes.items():
            told = self._told.get(symbol, self.begins)
            if quote.newest is None or quote.newest - told < self._quiet / 2:
                continue
            if (tick := quiet_tick(quote, self.now(), self.source)) is not None:
                made.append(self._tell(tick))
        return made

    async def _interest(self) -> None:
        if self.source in NO_OPEN_INTEREST:
            return
        for symbol, quote in tuple(self._quotes.items()):
            try:
                body = await self._ask("fetch_open_interest", unified(symbol))
            except ExchangeAway as error:
                log.warning("%s: no open interest: %s", symbol, error)
                return
            interest = read(body.get("openInterestAmount"))
            self._quotes[symbol] = with_interest(self._quotes.get(symbol, quote), interest, self.now())

    def _tell(self, tick: MarketTick) -> MarketTick:
        self._told[tick.symbol] = max(tick.ts or self.begins, self._told.get(tick.symbol, self.begins))
        return tick

    async def _ask(self, method: str, *args: Any) -> Any:
        try:
            return await getattr(self._exchange, method)(*args)
        except self._errors as error:
            raise ExchangeAway(f"{self.source} cannot be asked ({method}): {type(error).__name__}") from None


async def _within(answer: Awaitable[Any], limit_s: float) -> Any:
    """What a stream says next, None after `limit_s` wall seconds without a word."""
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await answer
    except TimeoutError:
        if limit.expired():
            return None
        raise  # the exchange's own
