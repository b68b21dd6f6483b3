"""The promises of docs/reliability.md, over what a simulated system has stored: the functions that `verify` asks."""

from collections.abc import Iterable
from datetime import timedelta

from libs.invariants.books import fills_are_booked, wallets_add_up
from libs.invariants.log import Frontier, Log
from libs.invariants.orders import entries_are_one_order, intents_end
from libs.invariants.protection import positions_are_protected
from libs.invariants.requests import requests_end_once, shadows_end_once
from libs.invariants.values import InvariantCheck, Tally
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.events import decode_event
from services.decider.domain.replay import differences, replay
from services.executor.domain.book import PROTECTION_GRACE
from services.ledger.domain.project import project
from simulation.jetstream import LoggedMessage
from simulation.process import BEGINS
from simulation.readmodels import ReadModels
from simulation.workers import SimulatedServers

READ = (subjects.ORDERS, subjects.AUDIT, subjects.DECISIONS, subjects.CONTEXTS, subjects.REQUESTS, subjects.DEAD)
LOOKED_EVERY = timedelta(seconds=1)


def judged(servers: SimulatedServers) -> tuple[InvariantCheck, ...]:
    """Each promise, looked at on all that was stored. Nothing may be on its way any more."""
    events = [
        (message, decode_event(message.subject, message.data))
        for stream in READ
        for message in servers.server.streams[stream.name].messages
    ]
    log = Log()
    for message, body in events:
        log.take(message.subject, message.sequence, body)
    books, plans = servers.database.books(), servers.database.plans().values()
    now = BEGINS + timedelta(seconds=servers.world.loop.time())
    frontier = Frontier({name: durable.floor for name, durable in servers.server.durables.items()})
    return (
        requests_end_once(log, frontier),
        shadows_end_once(log, frontier),
        entries_are_one_order(log, plans, books),
        intents_end(log, plans, books, servers.database.intents),
        _kept(servers.models, events),
        wallets_add_up(log, books),
        fills_are_booked(log),
        positions_are_protected(log, books, PROTECTION_GRACE + LOOKED_EVERY, now),
        _followed([body for _, body in events]),
    )


def _kept(models: ReadModels, events: Iterable[tuple[LoggedMessage, Message]]) -> InvariantCheck:
    tally = Tally("R3", "nothing of the log is missing in the read models")
    for message, body in events:
        for upsert in project(body, BEGINS):
            there = upsert.key in models.collections[upsert.collection]
            missing = f"{message.stream} {message.sequence} is not in {upsert.collection}"
            tally.judge(upsert.key, None if there else missing)
    return tally.done()


def _followed(events: Iterable[Message]) -> InvariantCheck:
    tally = Tally("R7", "decisions follow from their context and raw answers, byte for byte")
    contexts: dict[str, TradingContext] = {}
    proposals: list[DecisionProposed] = []
    for body in events:
        if isinstance(body, TradingContext):
            contexts[body.context_id] = body
        elif isinstance(body, DecisionProposed):
            proposals.append(body)
    for proposal in proposals:
        told = differences(proposal, replay(contexts[proposal.context_id], proposal))
        tally.judge(proposal.decision_id, "; ".join(told) or None)
    return tally.done()
