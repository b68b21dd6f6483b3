"""A context becomes a proposal or an abstention; beside it, one for each shadow arm."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from services.decider.application.session import Session
from services.decider.domain import incidents, seats
from services.decider.domain.proposal import propose
from services.decider.domain.record import Exchange
from services.decider.domain.seats import Seat
from services.decider.ports import Deps

__all__ = ["Deps", "announce", "beside", "decide", "decided"]

log = logging.getLogger(__name__)


async def beside(deps: Deps, context: TradingContext) -> list[Emit]:
    """What the shadow arms of a context come to. A slow one keeps none of the others waiting."""
    yielding = replace(deps, gate=deps.shadow_gate)
    found = await asyncio.gather(*(decided(yielding, context, seat) for seat in seats.shadows(context)))
    return [emit for emits in found for emit in emits]


async def decided(deps: Deps, context: TradingContext, seat: Seat, *, first: bool = False) -> list[Emit]:
    """What a seat comes to. `first`: the context was not delivered before."""
    session = Session.of(deps, context, seat, first=first)
    proposal = await _proposal(session)
    deps.observe(proposal)
    if proposal.abstain_reason:
        log.warning("%s abstained: %s", proposal.decision_id, proposal.abstain_detail)
    alerts = await announce(deps, session.exchanges)
    hit("decider.before_shadow_emit" if seat.arm.shadow else "decider.before_emit")
    return [Emit(subjects.decision_proposed(context.account_id), proposal), *alerts]


async def decide(deps: Deps, context: TradingContext, seat: Seat | None = None) -> DecisionProposed:
    """The decision of a context. Its calls and their raw answers are in it, whatever came of them."""
    return await _proposal(Session.of(deps, context, seat or seats.live(context)))


async def _proposal(session: Session) -> DecisionProposed:
    course = await session.run()
    made = propose(session.context, session.seat, course, session.deps.clock.now())
    return made.model_copy(update={"session": session.deps.session}) if session.deps.session else made


async def announce(deps: Deps, exchanges: Iterable[Exchange]) -> list[Emit]:
    """Alerts of incidents that these calls have shown and nobody has announced; what they prove to be over ends."""
    found: list[Emit] = []
    for made in exchanges:
        for key in incidents.over(made):
            await deps.incidents.end(key)
        if incident := incidents.seen(made):
            now = deps.clock.wall()
            if since := await deps.incidents.begin(incident.key, now):
                found.append(Emit(subjects.alert_raised(None), incidents.alert(incident, since, now)))
    return found
