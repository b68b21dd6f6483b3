"""One consumer for each stream, all by the same rule: any order of events gives the same documents."""

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emit
from libs.runtime.errors import Poison
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from libs.schemas.reasons import DeadLetterCode
from services.ledger.application.storing import abandoned, config_changed, store
from services.ledger.domain.advisories import MaxDeliveries
from services.ledger.domain.configuration import ConfigWrite, decoded
from services.ledger.metrics import LedgerMetrics
from services.ledger.ports import Deps

STORED = (
    subjects.LEDGER_REQUESTS,
    subjects.LEDGER_CONTEXTS,
    subjects.LEDGER_DECISIONS,
    subjects.LEDGER_ORDERS,
    subjects.LEDGER_AUDIT,
    subjects.LEDGER_DEAD,
)


def decode(subject: str, data: bytes) -> Message:
    """The body of an event by its subject."""
    try:
        return decode_event(subject, data)
    except KeyError as error:
        raise Poison(DeadLetterCode.SUBJECT_MISMATCH, str(error.args[0])) from error


def routes(deps: Deps, metrics: LedgerMetrics) -> NatsRouter:
    router = NatsRouter()

    async def on_event(body: Message) -> list[Emit]:
        return await store(deps, metrics, body, delivered())

    async def on_config(write: ConfigWrite) -> Emit | None:
        return await config_changed(deps, write, delivered())

    async def on_max_deliveries(advisory: MaxDeliveries) -> list[Emit]:
        emits = await abandoned(deps, advisory)
        metrics.abandoned.inc()
        return emits

    for durable in STORED:
        consume(router, durable, on_event, decode=decode, concurrency=deps.batch)
    consume(router, subjects.LEDGER_ADVISORIES, on_max_deliveries)
    consume(router, subjects.LEDGER_CONFIG, on_config, decode=_config_write)
    return router


def _config_write(subject: str, data: bytes) -> ConfigWrite:
    return decoded(subject, data, f"$KV.{subjects.KV_CONFIG.name}.")
