"""The paper venue on a desk of its own, as the contract suite moves it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from libs.schemas import ids
from libs.schemas.venue import VenueSymbol
from services.executor.adapters.paper import PaperVenue
from services.executor.application.board import Board
from services.executor.application.desk import Desk
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.application.open_book import OpenBook
from services.executor.domain.book import AccountBook
from services.executor.domain.quote import Market
from services.executor.ports import Deps
from services.executor.ports.venues import Submittable, Venue
from tests.contract.orders import ACCOUNT, SYMBOL
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import FakeConfig, Ports


class Free(FakeConfig):
    """A market without spread and slippage, as the exchange's fake has it."""

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        free = {"half_spread_bps": Decimal(0), "slippage_bps": Decimal(0), "impact_bps": Decimal(0)}
        found = super().venue_symbol(venue, symbol)
        return found and self.kept.setdefault(symbol, found.model_copy(update=free))

    kept: dict[str, VenueSymbol]


@dataclass
class PaperBench:
    """A venue, and the market that it trades in. `move` gives the next tick; `size` is what trades in it."""

    ports: Ports
    deps: Deps
    board: Board
    desks: Desks
    venue: Venue
    ticks: int = 0

    @property
    def desk(self) -> Desk:
        found = self.desks.get(ACCOUNT)
        assert found is not None
        return found

    async def move(self, symbol: str, price: Decimal, size: float | None = None) -> None:
        await self.desk.tend()  # what was submitted outside of a desk's turn is watched from here on
        self.ticks += 1
        self.ports.clock.advance(1)
        at = values.NOW + timedelta(seconds=self.ticks)
        self.board.on_tick(values.tick(float(price), symbol=symbol, at=at, size=size), self.ticks)
        for _ in range(20):
            await asyncio.sleep(0)

    async def vanish(self, symbol: str) -> None:
        """The position is taken by the venue: a crash far beyond every liquidation price."""
        await self.move(symbol, Decimal(20_000))

    async def fill_partly(self, order: Submittable) -> None:
        """Submit a limit at 59 000 of which 0.04 trade."""
        await self.venue.submit(order)
        await self.move(SYMBOL, Decimal(58_990), size=0.04)

    async def streaming(self) -> None:
        """Return when the stream is open."""
        await asyncio.sleep(0)

    def refuse_stops(self) -> None:
        self.venue = PaperVenue(Refusing(self.desk.seat))


class Refusing:
    """The seat, in a market that refuses stops."""

    def __init__(self, seat: OpenBook) -> None:
        self._seat = seat
        self.save, self.listen, self.carried_out = seat.save, seat.listen, seat.carried_out

    @property
    def book(self) -> AccountBook:
        return self._seat.book

    @property
    def fence(self) -> int:
        return self._seat.fence

    def market(self) -> Market:
        return replace(self._seat.market(), refuses=frozenset({"stop"}))


@asynccontextmanager
async def paper_bench() -> AsyncIterator[PaperBench]:
    ports = Ports()
    ports.config = Free()
    ports.config.kept = {}
    ports.config.accounts[ACCOUNT] = values.account(ACCOUNT)
    board, deps = Board(ports.clock), ports.deps()
    desks = Desks(deps, board, LeaseTerms())
    await desks.open(ids.partition(ACCOUNT), 1)
    desk = desks.get(ACCOUNT)
    assert desk is not None
    made = PaperBench(ports, deps, board, desks, PaperVenue(desk.seat))
    await made.move(SYMBOL, Decimal(60_000))
    yield made
    await desks.close(ids.partition(ACCOUNT), patience=1)
