"""A context becomes a proposal or an abstention."""

import logging
from collections.abc import Iterable

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume
from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from services.decider.domain import incidents
from services.decider.domain.proposal import propose
from services.decider.domain.record import Exchange
from services.decider.handlers.session import Session
from services.decider.ports import Deps

log = logging.getLogger(__name__)


def routes(deps: Deps) -> NatsRouter:
    router = NatsRouter()

    async def on_context(context: TradingContext) -> list[Emit]:
        session = Session.of(deps, context)
        proposal = await _proposal(session)
        deps.observe(proposal)
        if proposal.abstain_reason:
            log.warning("%s abstained: %s", proposal.decision_id, proposal.abstain_detail)
        alerts = await announce(deps, session.exchanges)
        hit("decider.before_emit")
        return [Emit(subjects.decision_proposed(context.account_id), proposal), *alerts]

    consume(router, subjects.DECIDER_CONTEXTS, on_context, concurrency=deps.concurrency)
    return router


async def decide(deps: Deps, context: TradingContext) -> DecisionProposed:
    """The decision of a context. Its calls and their raw answers are in it, whatever came of them."""
    return await _proposal(Session.of(deps, context))


async def _proposal(session: Session) -> DecisionProposed:
    course = await session.run()
    return propose(session.context, course, session.deps.clock.now())


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
