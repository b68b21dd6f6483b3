"""Events in, notices out; notices in, and out to their receivers."""

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.analytics import Alert
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from libs.schemas.notices import Notice
from services.notifier.application.telling import NoticeTelling, told_of
from services.notifier.ports import Deps


def routes(deps: Deps) -> NatsRouter:
    router = NatsRouter()
    telling = NoticeTelling(deps)

    async def on_alert(alert: Alert) -> list[Emit]:
        return await told_of(deps, alert, delivered())

    async def on_order(event: Message) -> list[Emit]:
        return await told_of(deps, event, delivered())

    async def on_notice(notice: Notice) -> Emit:
        """Repeated after a kill, the receiver gets it again under the same id."""
        return await telling.tell(notice, delivered())

    consume(router, subjects.NOTIFIER_ALERTS, on_alert, concurrency=16)
    consume(router, subjects.NOTIFIER_ORDERS, on_order, decode=decode_event, concurrency=16)
    consume(router, subjects.NOTIFIER_NOTICES, on_notice, concurrency=deps.concurrency)
    return router
