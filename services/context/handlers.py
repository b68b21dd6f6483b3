"""Requests become contexts, ends make room for the next, closed intervals and other causes become requests."""

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emits
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest
from libs.schemas.events import decode_event
from services.context.application.ends import ended
from services.context.application.requests import requested
from services.context.ports import Deps


def routes(deps: Deps) -> NatsRouter:
    router = NatsRouter()

    async def on_request(body: DecisionRequest) -> Emits:
        return await requested(deps, body, delivered().deliveries)

    async def on_end(body: Message) -> Emits:
        return await ended(deps, body, delivered().deliveries)

    consume(router, subjects.CONTEXT_REQUESTS, on_request, concurrency=deps.limits.concurrency)
    consume(router, subjects.CONTEXT_ENDS, on_end, concurrency=deps.limits.concurrency, decode=decode_event)
    return router
