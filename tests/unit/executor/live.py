"""A live account's desk over a venue in memory, for the tests that are about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal as D

from libs.schemas import ids
from libs.schemas.account import Account
from libs.schemas.analytics import Alert
from libs.schemas.verdict import Instruction
from services.executor.application.board import Board
from services.executor.application.desk import Desk
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.domain.book import AccountBook
from services.executor.domain.plan import plan
from services.executor.ports.venues import Stored
from tests import builders
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import FakePlans, Ports
from tests.fakes.live_venue import FakeLive, FakeVenue

ACCOUNT = "live-1"
PARTITION = ids.partition(ACCOUNT)
ENTRY = values.instruction(quantity=D("0.05"))


@dataclass
class World:
    ports: Ports
    board: Board
    desks: Desks
    live: FakeLive
    plans: FakePlans
    terms: LeaseTerms

    @property
    def desk(self) -> Desk:
        desk = self.desks.get(ACCOUNT)
        assert desk is not None
        return desk

    @property
    def venue(self) -> FakeVenue:
        return self.live.venue

    @property
    def book(self) -> AccountBook:
        return self.desk.book

    def resting(self) -> list[tuple[str, D]]:
        return sorted((o["type"], D(o["origQty"])) for o in self.venue.book.open(None, algo=False))

    async def quiet(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def decide(self, decision: str = "dec-1", *finals: object) -> None:
        self.board.on_tick(values.tick(50_000, at=self.ports.clock.now()), 1)
        body = values.validated(*(finals or (ENTRY,)), decision=decision, at=self.ports.clock.now())  # type: ignore[arg-type]
        body = body.model_copy(update={"account_id": ACCOUNT})
        await self.desks.execute(body, redelivered=False)

    async def carry_out(self, decision: str, final: Instruction) -> None:
        """A plan that was stored, as it stands."""
        now = self.ports.clock.now()
        body = values.validated(final, decision=decision, account_id=ACCOUNT, at=now)
        made = plan(body, body.verdicts, self.book, now)
        self.plans.stored[made.plan_id] = made
        await self.desk.resume(Stored(made))

    async def act(self, act: dict[str, object], control_id: str) -> None:
        await self.desks.control(builders.act(act, ACCOUNT, control_id=control_id, requested_at=self.ports.clock.now()))

    async def pass_time(self, seconds: float) -> None:
        self.ports.clock.advance(seconds)
        self.board.on_tick(values.tick(50_000, at=self.ports.clock.now()), 2)
        await self.desk.tend()

    def alerts(self) -> list[Alert]:
        return [e.body for e in self.ports.publisher.published if isinstance(e.body, Alert)]


def account(**over: object) -> Account:
    return values.account(ACCOUNT, **{"mode": "live", "venue": "aster", "credential": "main", **over})


@asynccontextmanager
async def world(live: FakeLive | None = None, **over: object) -> AsyncIterator[World]:
    ports = Ports()
    ports.config.accounts[ACCOUNT] = account(**over)
    live = live or FakeLive(FakeVenue(ports.clock))
    live.venue.clock = ports.clock
    live.venue.book.prices[values.SYMBOL] = D(50_000)
    board = Board(ports.clock)
    plans = FakePlans(ports.accounts)
    terms = LeaseTerms(monotonic=lambda: 0.0)
    terms.taken(PARTITION, 8.0)
    desks = Desks(replace(ports.deps(), live=live, plans=plans), board, terms)
    made = World(ports, board, desks, live, plans, terms)
    await made.desks.open(PARTITION, 1)
    await made.quiet()
    yield made
    await made.desks.close(PARTITION, patience=0)
