"""From a trigger to its end: the use cases of context and validator, the decider's policy, the executor's plans."""

from dataclasses import dataclass
from typing import Protocol

from libs.runtime.emit import Emits
from libs.schemas.account import Account, AccountState
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, Timing
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected, DecisionValidated
from replay.books import MemoryDeps, ReplayedAccount, position_events
from replay.configuration import ReplayConfiguration
from replay.memory import (
    MemoryLog,
    MemoryPlaces,
    MemoryPositions,
    MemoryRequests,
    MemoryStates,
    NoReuse,
    NoSteps,
    Unpublished,
    UnreadContextMeter,
    UnreadJudgeMeter,
)
from replay.policy import ReplayPolicy
from replay.stepping import at_once
from replay.world import ReplayWorld
from services.context import ports as context_ports
from services.context.application.cycles import due_now
from services.context.application.ends import ended
from services.context.application.requests import requested
from services.context.domain.patience import Patience
from services.context.ports import CycleLimits
from services.decider.domain import seats
from services.decider.domain.proposal import Course, propose
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Outgoing
from services.validator import ports as validator_ports
from services.validator.application import conclude

End = DecisionValidated | DecisionRejected | DecisionEvaluated
NO_TIME = Timing(context=0.0, model=None, engine=0.0)


class Watcher(Protocol):
    """Who is told what a replay does, in order."""

    def context(self, context: TradingContext) -> None: ...
    def proposed(self, proposal: DecisionProposed) -> None: ...
    def ended(self, end: End) -> None: ...
    def account(self, state: AccountState, events: tuple[Outgoing, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class SharedDeciding:
    """What all accounts of a replay decide with."""

    world: ReplayWorld
    config: ReplayConfiguration
    books: MemoryDeps
    policy: ReplayPolicy
    watcher: Watcher
    limits: CycleLimits
    states: MemoryStates
    requests: MemoryRequests
    positions: MemoryPositions
    places: MemoryPlaces


class DecidingAccount:
    """One account with its books: what is due of it, and what comes of that."""

    def __init__(self, account: Account, shared: SharedDeciding, book: AccountBook | None = None) -> None:
        self.account = account
        self._shared = shared
        self._context = _context_deps(shared, shared.config.of(account))
        self._validator = _validator_deps(shared)
        self.books = ReplayedAccount(account, shared.world, shared.books, self._heard, book)

    def decide(self) -> None:
        """All that is due of the account now, one after the other."""
        shared = self._shared
        for body in due_now(self._context, shared.world.clock.now()):
            shared.requests.note(body, shared.requests.count + 1)
            self._follow(at_once(requested(self._context, body)))

    def _follow(self, emits: Emits) -> None:
        for emit in emits:
            if isinstance(emit.body, TradingContext):
                self._decided(emit.body)
            elif isinstance(emit.body, End):
                self._ended(emit.body)

    def _decided(self, context: TradingContext) -> None:
        shared = self._shared
        shared.watcher.context(context)
        course = Course(shared.policy.decide(context), (), (), NO_TIME)
        proposal = propose(context, seats.live(context), course, shared.world.clock.now())
        shared.watcher.proposed(proposal)
        self._ended(at_once(conclude(self._validator, proposal)))

    def _ended(self, end: End) -> None:
        self._shared.watcher.ended(end)
        if isinstance(end, DecisionValidated):
            self.books.execute(end)
        self._follow(at_once(ended(self._context, end)))

    def _heard(self, state: AccountState, events: tuple[Outgoing, ...]) -> None:
        shared = self._shared
        shared.states.put(state)
        for event in position_events(events):
            shared.positions.put(event)
        shared.watcher.account(state, events)


def _context_deps(shared: SharedDeciding, config: ReplayConfiguration) -> context_ports.Deps:
    world = shared.world
    return context_ports.Deps(
        clock=world.clock,
        config=config,
        states=shared.states,
        market=world.state,
        studies=world.studies,
        patience=Patience(0.0),
        log=MemoryLog(world),
        requests=shared.requests,
        positions=shared.positions,
        places=shared.places,
        steps=NoSteps(),
        reuse=NoReuse(),
        publisher=Unpublished(),
        meter=UnreadContextMeter(),
        limits=shared.limits,
    )


def _validator_deps(shared: SharedDeciding) -> validator_ports.Deps:
    return validator_ports.Deps(
        configuration=shared.config,
        states=shared.states,
        marks=shared.world.marks,
        clock=shared.world.clock,
        meter=UnreadJudgeMeter(),
        max_tick_age=shared.world.state.bounds.max_tick_age,
    )
