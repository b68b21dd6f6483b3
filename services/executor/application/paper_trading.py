"""Trading on paper: market events themselves fill, stop and liquidate, on the account's own document."""

from dataclasses import replace

from libs.risk.marks import mark_of
from libs.schemas.account import ControlRequested
from libs.schemas.market import FundingUpdate, MarketTick
from services.executor.application.open_book import OpenBook
from services.executor.application.trading import Certain
from services.executor.domain import paper
from services.executor.domain.bands import Band
from services.executor.domain.changes import Turn
from services.executor.domain.control import control
from services.executor.domain.liquidation import fund
from services.executor.domain.quote import Market, quote_of
from services.executor.domain.timers import tended
from services.executor.ports import MarketEvent, Orders


class PaperTrading:
    """Nothing is ever in doubt: what was written was done."""

    def __init__(self, seat: OpenBook, orders: Orders) -> None:
        self._seat = seat
        self._orders = orders
        self._banded = seat.book
        self._bands = seat.bands()

    @property
    def orders(self) -> Orders:
        return self._orders

    def admit(self) -> None: ...

    async def begin(self) -> None: ...

    async def control(self, body: ControlRequested) -> None:
        await self._seat.commit(control(Turn(self._seat.book), body, self._seat.market()))

    async def tend(self) -> None:
        """Expiries, holding times, missing stops, the day's end, and the moves of the trading state."""
        await self._seat.commit(tended(Turn(self._seat.book), self._seat.market(), self._seat.bounds()))

    def ails(self) -> bool:
        return False

    def bands(self) -> dict[str, Band]:
        self._banded, self._bands = self._seat.book, self._seat.bands()
        return self._bands

    async def react(self, event: MarketEvent, sequence: int) -> None:
        market = self._seat.market()
        if event.symbol not in market.rules:
            return
        if isinstance(event, FundingUpdate):  # its own time says whether it was paid, whenever it comes
            if event.funding_time <= market.now:
                await self._seat.commit(fund(Turn(self._seat.book), event, market), sequence)
        elif sequence > self._seat.seen:
            await self._tick(event, sequence, market)

    async def listen(self, certain: Certain) -> None:
        """Nothing: there is nobody else who could tell something."""

    async def close(self) -> None: ...

    async def _tick(self, event: MarketTick, sequence: int, market: Market) -> None:
        bands = self._bands if self._banded is self._seat.book else self.bands()
        limits = bands.get(event.symbol)
        if limits is not None and limits.hit(event.price, mark_of(event)):
            quote = quote_of(event, sequence, market.now)
            seen = replace(market, quotes={**market.quotes, event.symbol: quote}, now=quote.at)
            await self._seat.commit(paper.on_tick(Turn(self._seat.book), quote, seen), sequence)
