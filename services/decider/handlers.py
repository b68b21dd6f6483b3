"""Contexts that are to be decided on; shadow arms apart."""

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.context import TradingContext
from services.decider.application.deciding import beside, decided
from services.decider.domain import seats
from services.decider.ports import Deps

SHADOW_PART = 8  # of the decisions in flight, one in so many may be a shadow's


def routes(deps: Deps) -> NatsRouter:
    """Shadow arms have a durable of their own: nothing that they do holds up or changes the decision that counts."""
    router = NatsRouter()

    async def on_context(context: TradingContext) -> list[Emit]:
        return await decided(deps, context, seats.live(context), first=delivered().deliveries == 1)

    async def on_shadows(context: TradingContext) -> list[Emit]:
        return await beside(deps, context)

    consume(router, subjects.DECIDER_CONTEXTS, on_context, concurrency=deps.concurrency)
    consume(router, subjects.DECIDER_SHADOWS, on_shadows, concurrency=max(1, deps.concurrency // SHADOW_PART))
    return router
