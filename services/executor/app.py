"""The executor: final verdicts into orders, and a paper venue that fills them from ticks."""

import os
from collections.abc import Mapping
from decimal import Decimal

from libs.configuration.mirror import ConfigMirror
from libs.perps.admission import Admission
from libs.runtime.clock import WallClock
from libs.runtime.mongo import MONGO_AWAY, Database
from libs.runtime.pulse import Pulse
from libs.runtime.reader import Start
from libs.runtime.ticks import TickIntake
from libs.runtime.worker import Worker, run
from libs.schemas.subjects import EXECUTOR_PARTITIONS
from services.executor.adapters.accounts import MongoAccounts
from services.executor.adapters.ccxt.opening import CcxtVenues, open_venue
from services.executor.adapters.controls import KvControls
from services.executor.adapters.credentials import NoCredential
from services.executor.adapters.leases import LIVE_TTL_S, TTL_S, MongoLeases
from services.executor.adapters.market import MarketHistory
from services.executor.adapters.paper import PaperVenue
from services.executor.adapters.plans import MongoPlans
from services.executor.adapters.states import KvStates
from services.executor.adapters.steps import KvExecutorSteps
from services.executor.application.board import Board
from services.executor.application.changes import Changes
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.application.partitions import Partitions
from services.executor.application.timers import Timers
from services.executor.domain.trading import TradingBounds
from services.executor.handlers import decode, handler
from services.executor.metrics import AccountCollector, ExecutorMetrics
from services.executor.ports import Deps
from services.executor.ports.venues import LiveVenue, NotLive
from services.executor.settings import Settings


def create_app(settings: Settings | None = None) -> Worker:
    """Wire the executor. Needs no server: everything waits until the worker starts."""
    settings = settings or Settings()
    worker = Worker("executor", settings, away=MONGO_AWAY)
    database = Database(settings.mongodb_url, settings.mongodb_db)
    accounts = MongoAccounts(database.db)
    changes = Changes()
    config = ConfigMirror(worker.bus, on_change=changes.configured)
    controls = KvControls(worker.bus, changes.controlled)
    deps = Deps(
        accounts=accounts,
        plans=MongoPlans(database.db, accounts),
        states=KvStates(worker.bus),
        leases=MongoLeases(database.db, LIVE_TTL_S if settings.allow_live else TTL_S),
        venue=PaperVenue,
        publisher=worker.bus,
        config=config,
        controls=controls,
        log=MarketHistory(worker.bus, worker.clock),
        clock=worker.clock,
        bounds=TradingBounds(max_drawdown=Decimal(str(settings.max_drawdown_pct))),
        refuses=frozenset(settings.paper_refuses),
        live=CcxtVenues(os.environ, worker.clock, settings.allow_live, frozenset(settings.adopt)),
    )
    steps = KvExecutorSteps(worker.bus, worker.clock, lambda: intake.last_sequence)
    board, terms = Board(worker.clock, held=lambda: steps.active), LeaseTerms()
    desks = Desks(deps, board, terms)
    on_execute = handler(desks)
    partitions = Partitions(
        settings.instance,
        deps.leases,
        terms,
        desks,
        lambda p: worker.partition_consumer(EXECUTOR_PARTITIONS[p], on_execute, decode=decode),
        lambda: worker.checks()["started"],
    )
    intake = TickIntake(
        worker.bus,
        worker.clock,
        on_tick=board.on_tick,
        on_funding=board.on_funding,
        start=Start.last_per_subject(),
        admission=Admission(settings.admission),
    )
    ExecutorMetrics(worker.registry, partitions, desks, intake)
    AccountCollector(worker.registry, desks, board.mark, worker.clock)
    pulse = Pulse("MongoDB", database.ping, MONGO_AWAY)
    worker.readiness("mongodb", lambda: pulse.beats)
    for service in (database, pulse, config, controls, intake, partitions):
        worker.add(service)
    worker.background("partitions", partitions.run)
    worker.background("timers", Timers(deps, board, desks, steps).run)
    worker.background("changes", lambda: desks.follow(changes))
    return worker


async def venue_of(name: str, credential: str, env: Mapping[str, str], *, demo: bool) -> LiveVenue:
    """A live venue by its credential alone, for who needs nothing else. Raises NotLive, Unavailable; to be closed."""
    try:
        return await open_venue(name, credential, env, WallClock(), demo=demo)
    except NoCredential as error:
        raise NotLive(str(error)) from error


if __name__ == "__main__":
    run(create_app)
