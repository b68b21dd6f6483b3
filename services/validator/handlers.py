"""Proposals in, one terminal event each out."""

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume
from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.schemas.decision import DecisionProposed
from libs.schemas.subjects import VALIDATOR_PROPOSALS
from services.validator.application import conclude, emit_of
from services.validator.ports import Deps


def routes(deps: Deps) -> NatsRouter:
    router = NatsRouter()

    async def on_proposal(proposal: DecisionProposed) -> Emit:
        """A repeated delivery is judged again and may end otherwise; the log takes the first end alone."""
        ended = await conclude(deps, proposal)
        hit("validator.before_emit")
        return emit_of(ended)

    consume(router, VALIDATOR_PROPOSALS, on_proposal, concurrency=deps.concurrency)
    return router
