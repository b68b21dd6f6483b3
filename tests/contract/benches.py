"""What the contract suite runs over: a venue, a way to move its price, and a way to make it fail."""

import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.executor.adapters.ccxt.client import Client, open_exchange, redirect
from services.executor.adapters.ccxt.venue import CcxtVenue
from services.executor.adapters.credentials import Credential
from services.executor.domain.differences import VENUES, Differences
from services.executor.ports.venues import Submittable
from tests.contract.paper import PaperBench, paper_bench
from tests.fakes.clock import FakeClock
from tests.fakes.exchange.server import ExchangeFake, Kind, exchange

SECRET = "0x" + "5ec4e7" * 10 + "abcd"  # a well-formed private key of nobody
CREDENTIAL = Credential("main", {"KEY": SECRET, "SECRET": "s3cr3t-of-the-test"})
CCXT = importlib.util.find_spec("ccxt") is not None
NO_CCXT = "NOT RUN: ccxt is not installed here; install the feed group and run this again"


class WallClock(FakeClock):
    """Wall time that runs, for signatures; `shift` sets it wrong."""

    shift = 0.0

    def wall(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.shift, UTC)

    def monotonic(self) -> float:
        return datetime.now(UTC).timestamp()


@dataclass
class Bench:
    """`exchange` is the fake behind the venue."""

    venue: CcxtVenue
    exchange: ExchangeFake
    clock: WallClock
    move: Callable[[str, Decimal], Any]

    async def vanish(self, symbol: str) -> None:
        """The venue takes the position."""
        self.exchange.book.vanish(symbol)
        await self.exchange.push()

    async def fill_partly(self, order: Submittable) -> None:
        """Submit a limit at 59 000 of which 0.04 trade."""
        await self.venue.submit(order)
        self.exchange.book.partial = Decimal("0.4")
        await self.move("BTCUSDT", Decimal(58_990))

    async def streaming(self) -> None:
        """Return when the user stream is open."""
        await self.exchange.connected.wait()

    def refuse_stops(self) -> None:
        self.exchange.book.rejects_stops = True

    def later(self, seconds: float) -> None:
        """Time passes, here and there."""
        self.clock.shift += seconds
        self.exchange.skew_ms += int(seconds * 1_000)


def quick(kind: Kind) -> Differences:
    """The venue's row, without its pace: the suite has no minutes."""
    return replace(VENUES[kind], requests_per_s=2_000.0)


@asynccontextmanager
async def real_ccxt(kind: Kind, skew_ms: int = 0) -> AsyncIterator[Bench]:
    if not CCXT:
        pytest.skip(NO_CCXT)
    async with exchange(kind) as fake:
        fake.skew_ms = skew_ms
        row, clock = quick(kind), WallClock(datetime.now(UTC))
        made, errors = open_exchange(row, CREDENTIAL)
        redirect(made, fake.url)
        made.timeout = 300  # type: ignore[attr-defined]
        async with _opened(Client(row, made, errors, clock, CREDENTIAL), fake, clock) as bench:
            yield bench


@asynccontextmanager
async def _opened(client: Client, fake: ExchangeFake, clock: WallClock) -> AsyncIterator[Bench]:
    venue = CcxtVenue(client)
    await venue.open()
    try:
        yield Bench(venue, fake, clock, fake.move)
    finally:
        await venue.close()


Opener = Callable[..., AbstractAsyncContextManager[Bench]]
OPENERS: dict[str, tuple[Opener, Kind]] = {
    "ccxt-aster": (real_ccxt, "aster"),
    "ccxt-binanceusdm": (real_ccxt, "binanceusdm"),
}


AnyBench = Bench | PaperBench


def any_bench(name: str) -> AbstractAsyncContextManager[AnyBench]:
    """Any venue by its name: `paper`, or one of OPENERS."""
    if name == "paper":
        return paper_bench()
    opener, kind = OPENERS[name]
    return opener(kind)


EVERY = ("paper", *OPENERS)
