"""The workers of a simulation: their own application over simulated ports, wired as their `app.py` wires them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from libs.configuration.templates import JinjaTemplates
from libs.risk.marks import Mark, after_tick
from libs.runtime import tracing
from libs.runtime.delivered import delivered
from libs.runtime.emit import Emit, Emits
from libs.runtime.metrics import DeliveryMetrics
from libs.schemas import subjects
from libs.schemas.account import AccountState
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.events import decode_event
from libs.schemas.market import Candle, MarketTick
from libs.schemas.verdict import DecisionValidated
from replay.configuration import ReplayConfiguration
from replay.memory import UnreadContextMeter, UnreadJudgeMeter
from services.context import ports as context_ports
from services.context.application.cycles import run_cycles
from services.context.application.ends import ended
from services.context.application.requests import requested
from services.context.domain.assets import Studies
from services.context.domain.market import Bounds, MarketState
from services.context.domain.patience import Patience
from services.decider import ports as decider_ports
from services.decider.application.deciding import decided
from services.decider.domain import seats
from services.decider.domain.catalogue import Catalogue
from services.decider.domain.policy import CallLimits
from services.executor import ports as executor_ports
from services.executor.adapters.paper import PaperVenue
from services.executor.application.board import Board
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.application.partitions import Partitions
from services.executor.application.timers import Timers
from services.ledger import ports as ledger_ports
from services.ledger.application.storing import abandoned, store
from services.ledger.domain.advisories import MaxDeliveries
from services.ledger.metrics import LedgerMetrics
from services.validator import ports as validator_ports
from services.validator.application import conclude, emit_of
from simulation.answers import (
    AnswerDatabase,
    NoIncidents,
    OpenGate,
    RoughTokens,
    ScriptedModel,
    SimulatedAnswers,
    SimulatedReuse,
)
from simulation.bus import Copy, LogReader, SimulatedBus, SimulatedConsumer, SimulatedSurroundings
from simulation.contexts import SimulatedPlaces, SimulatedPositions, SimulatedRequests
from simulation.executing import NoControls, NoLockstep, SimulatedStates
from simulation.jetstream import JetStreamServer, LoggedMessage
from simulation.market import RandomMarket, SimulatedMarketLog, SimulatedPast
from simulation.mongodb import ExecutorDatabase, SimulatedAccounts, SimulatedLeases, SimulatedPlans
from simulation.process import SimulatedProcess, SimulatedWorld
from simulation.readmodels import ReadModels
from simulation.records import SimulatedEventLog, SimulatedRecords

LIMITS = context_ports.CycleLimits(spread=0.3, inflight_deadline=30.0, drift=0.001, concurrency=8)
STORED = (
    subjects.LEDGER_REQUESTS,
    subjects.LEDGER_CONTEXTS,
    subjects.LEDGER_DECISIONS,
    subjects.LEDGER_ORDERS,
    subjects.LEDGER_AUDIT,
    subjects.LEDGER_DEAD,
)


@dataclass(slots=True)
class SimulatedServers:
    """What outlives every process of a run, and what all processes are made of."""

    world: SimulatedWorld
    server: JetStreamServer
    config: ReplayConfiguration
    catalogue: Catalogue
    market: RandomMarket
    history: Sequence[Candle]
    database: ExecutorDatabase
    models: ReadModels = field(default_factory=ReadModels)
    answers: AnswerDatabase = field(default_factory=AnswerDatabase)
    metrics: DeliveryMetrics = field(default_factory=lambda: DeliveryMetrics(CollectorRegistry()))
    ledger: LedgerMetrics = field(default_factory=lambda: LedgerMetrics(CollectorRegistry()))
    templates: JinjaTemplates = field(default_factory=JinjaTemplates)


class SimulatedMarks:
    """The newest tick of each symbol, as the validator knows it."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._known: dict[str, Mark] = {}
        self.reader = LogReader(bus, subjects.MARKET.name, self._take)

    def get(self, symbol: str) -> Mark | None:
        return self._known.get(symbol)

    def _take(self, message: LoggedMessage) -> None:
        if isinstance(message.body, MarketTick):
            mark = after_tick(self._known.get(message.body.symbol), message.body)
            if mark is not None:
                self._known[message.body.symbol] = mark


def _request(subject: str, body: bytes) -> Message:
    return DecisionRequest.model_validate_json(body)


async def context(servers: SimulatedServers, process: SimulatedProcess) -> None:
    bus = SimulatedBus(process, servers.server)
    market = MarketState(Bounds())
    states: Copy[AccountState] = Copy(bus, subjects.KV_STATE.name, AccountState.model_validate_json)
    requests, positions, places = SimulatedRequests(bus), SimulatedPositions(bus), SimulatedPlaces(bus)
    log = SimulatedMarketLog(bus, market, servers.history)
    deps = context_ports.Deps(
        clock=bus.clock,
        config=servers.config,
        states=states,
        market=market,
        studies=Studies(market),
        patience=Patience(2.0),
        log=log,
        requests=requests,
        positions=positions,
        places=places,
        steps=NoLockstep(),
        reuse=SimulatedReuse(process, servers.answers),
        publisher=bus,
        meter=UnreadContextMeter(),
        limits=LIMITS,
    )

    async def on_request(body: DecisionRequest) -> Emits:
        return await requested(deps, body, delivered().deliveries)

    async def on_end(body: Message) -> Emits:
        return await ended(deps, body, delivered().deliveries)

    await states.start()
    await places.copy.start()
    await requests.reader.start()
    await positions.reader.start()
    await log.start(("1m",))
    process.begin(run_cycles(deps), "cycles")
    around = SimulatedSurroundings(bus, servers.metrics)
    await SimulatedConsumer(bus, around, subjects.CONTEXT_REQUESTS, on_request, _request).start(LIMITS.concurrency)
    await SimulatedConsumer(bus, around, subjects.CONTEXT_ENDS, on_end, decode_event).start(LIMITS.concurrency)


async def decider(servers: SimulatedServers, process: SimulatedProcess) -> None:
    bus = SimulatedBus(process, servers.server)
    deps = decider_ports.Deps(
        clock=bus.clock,
        accounts=servers.config,
        catalogue=servers.catalogue,
        default_model=servers.catalogue.chain[0],
        models=ScriptedModel(servers.world.random, servers.market.prices),
        answers=SimulatedAnswers(process, servers.answers),
        gate=OpenGate(),
        shadow_gate=OpenGate(),
        incidents=NoIncidents(),
        templates=servers.templates,
        tokens=RoughTokens(),
        limits=CallLimits(deadline_s=10.0),
        concurrency=8,
        sleep=asyncio.sleep,
        observe=lambda proposal: None,
    )

    async def on_context(body: TradingContext) -> Sequence[Emit]:
        return await decided(deps, body, seats.live(body))

    around = SimulatedSurroundings(bus, servers.metrics)
    await SimulatedConsumer(bus, around, subjects.DECIDER_CONTEXTS, on_context, decode_event).start(8)


async def validator(servers: SimulatedServers, process: SimulatedProcess) -> None:
    bus = SimulatedBus(process, servers.server)
    states: Copy[AccountState] = Copy(bus, subjects.KV_STATE.name, AccountState.model_validate_json)
    marks = SimulatedMarks(bus)
    deps = validator_ports.Deps(
        configuration=servers.config, states=states, marks=marks, clock=bus.clock, meter=UnreadJudgeMeter()
    )

    async def on_proposal(body: DecisionProposed) -> Emit:
        return emit_of(await conclude(deps, body))

    await states.start()
    await marks.reader.start()
    around = SimulatedSurroundings(bus, servers.metrics)
    await SimulatedConsumer(bus, around, subjects.VALIDATOR_PROPOSALS, on_proposal, decode_event).start(8)


async def executor(servers: SimulatedServers, process: SimulatedProcess) -> None:
    bus = SimulatedBus(process, servers.server)
    accounts = SimulatedAccounts(process, servers.database)
    deps = executor_ports.Deps(
        accounts=accounts,
        plans=SimulatedPlans(accounts),
        states=SimulatedStates(bus),
        leases=SimulatedLeases(process, servers.database),
        venue=PaperVenue,
        publisher=bus,
        config=servers.config,
        controls=NoControls(),
        log=SimulatedPast(bus),
        clock=bus.clock,
    )
    board, terms = Board(bus.clock), LeaseTerms(bus.clock.monotonic)
    desks = Desks(deps, board, terms)
    around = SimulatedSurroundings(bus, servers.metrics)

    async def on_execute(body: DecisionValidated) -> None:
        await desks.execute(body, redelivered=delivered().deliveries > 1, trace=tracing.current())

    def consumer(partition: int) -> SimulatedConsumer:
        return SimulatedConsumer(bus, around, subjects.EXECUTOR_PARTITIONS[partition], on_execute, _verdict)

    def on_event(message: LoggedMessage) -> None:
        if isinstance(message.body, MarketTick):
            board.on_tick(message.body, message.sequence)

    started: list[bool] = []
    partitions = Partitions(process.name, deps.leases, terms, desks, consumer, lambda: bool(started))
    await LogReader(bus, subjects.MARKET.name, on_event).start()
    started.append(True)
    process.begin(partitions.run(), "partitions")
    process.begin(Timers(deps, board, desks, NoLockstep()).run(), "timers")


async def ledger(servers: SimulatedServers, process: SimulatedProcess) -> None:
    bus = SimulatedBus(process, servers.server)
    records = SimulatedRecords(bus, servers.models)
    deps = ledger_ports.Deps(store=records, together=records, log=SimulatedEventLog(bus), clock=bus.clock)
    around = SimulatedSurroundings(bus, servers.metrics)

    async def on_event(body: Message) -> Sequence[Emit]:
        return await store(deps, servers.ledger, body, delivered())

    async def on_max_deliveries(body: MaxDeliveries) -> Sequence[Emit]:
        return await abandoned(deps, body)

    for durable in STORED:
        await SimulatedConsumer(bus, around, durable, on_event, decode_event).start(16)
    await SimulatedConsumer(bus, around, subjects.LEDGER_ADVISORIES, on_max_deliveries, _advisory).start()


START: dict[str, Callable[[SimulatedServers, SimulatedProcess], Coroutine[Any, Any, None]]] = {
    "context": context,
    "decider": decider,
    "validator": validator,
    "executor": executor,
    "ledger": ledger,
}


def _verdict(subject: str, body: bytes) -> Message:
    return DecisionValidated.model_validate_json(body)


def _advisory(subject: str, body: bytes) -> Message:
    return MaxDeliveries.model_validate_json(body)
