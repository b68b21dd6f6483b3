"""Events of the log become changes of the read models; messages that ran out of deliveries become dead letters."""

import logging
from datetime import UTC, datetime

from pydantic import ValidationError

from libs.analytics.alerts import HOUR, Watched, of_abstentions, of_dead_letter, of_trades, storm_of
from libs.analytics.trades import total
from libs.configuration.configuration import by_of
from libs.runtime.deadletters import dead_letter, ends
from libs.runtime.delivered import Delivered
from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.analytics import Alert
from libs.schemas.base import Message
from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.events import decode_event
from libs.schemas.orders import PositionEvent
from libs.schemas.reasons import DeadLetterCode, RejectReason
from libs.schemas.verdict import DecisionRejected
from services.ledger.domain.advisories import MaxDeliveries, StoredMessage, in_words
from services.ledger.domain.configuration import ConfigWrite, event_of
from services.ledger.domain.project import project
from services.ledger.domain.trades import ENDS
from services.ledger.metrics import LedgerMetrics
from services.ledger.ports import Deps

log = logging.getLogger(__name__)
WATCHED_TRADES = 50  # what the figures of alerts are about


async def store(deps: Deps, metrics: LedgerMetrics, body: Message, info: Delivered) -> list[Emit]:
    """Store an event with those that come beside it, alone where that is refused; what a person should be told now
    follows."""
    stored = stored_at(info)
    change = project(body, stored)
    if not await deps.together.add(change):
        await deps.store.apply(change)
    hit("ledger.after_store")
    metrics.stored.labels(info.durable).inc()
    metrics.lag.labels(info.durable).set(max((deps.clock.wall() - stored).total_seconds(), 0.0))
    return await told_after(deps, body)


async def config_changed(deps: Deps, write: ConfigWrite, info: Delivered) -> Emit | None:
    """The event of a write of the configuration: the write carries who and why, the bucket's history what was before.

    What a crash of the writer leaves behind is the whole change: its event is made here, under an id of its own.
    """
    by, before = by_of(info.headers), await deps.log.before(write.key, info.sequence)
    made = event_of(write, before, info.sequence, by.who, by.why, stored_at(info))
    return Emit(*made) if made else None


async def told_after(deps: Deps, body: Message) -> list[Emit]:
    """Alerts and controls that follow from this event, now that it is stored. Repeated, the ids are the same."""
    if isinstance(body, DecisionRejected) and body.reason is RejectReason.ABSTAINED and not body.arm.shadow:
        return await _after_abstention(deps, body)
    if isinstance(body, DeadLetter):
        alert = of_dead_letter(body)
        return [Emit(subjects.alert_raised(None), alert)] if alert else []
    return [Emit(subjects.alert_raised(one.account_id), one) for one in await alerts_after(deps, body)]


async def _after_abstention(deps: Deps, body: DecisionRejected) -> list[Emit]:
    account, now = body.account_id, body.rejected_at
    abstained, ended = await deps.store.endings(account, now - HOUR, now)
    alert, storm = of_abstentions(account, abstained, ended, now), storm_of(account, abstained, ended, now)
    told = [Emit(subjects.alert_raised(account), alert)] if alert else []
    return [*told, Emit(subjects.control_requested(account), storm)] if storm else told


async def alerts_after(deps: Deps, body: Message) -> tuple[Alert, ...]:
    """What a person should be told now that this trade is stored."""
    if isinstance(body, PositionEvent) and body.kind in ENDS:
        closed = await deps.store.recent_trades(body.account_id, WATCHED_TRADES)
        opening = body.wallet_balance - total(trade.pnl for trade in closed)
        watched = Watched(body.account_id, closed[-1].strategy_id if closed else None, opening, deps.max_drawdown_pct)
        return of_trades(watched, closed, body.at)
    return ()


async def abandoned(deps: Deps, advisory: MaxDeliveries) -> list[Emit]:
    """The dead letter of a message that ran out of deliveries; the end of its decision, if it was a step of one.

    No letter tells of a letter, nor of an advisory: on a machine that is too slow for its work they would come without
    end. What was given up there is done here.
    """
    message = await deps.log.stored(advisory.stream, advisory.stream_seq)
    match advisory.stream:
        case subjects.DEAD.name:
            await _store_letter(deps, message)
            return []
        case subjects.ADVISORIES.name:
            return await abandoned(deps, MaxDeliveries.model_validate_json(message.body)) if message else []
    now, detail = deps.clock.now(), in_words(advisory, message)
    letter = dead_letter(
        subject=message.subject if message else "",
        headers=message.headers if message else {},
        body=message.body if message else b"",
        stream=advisory.stream,
        durable=advisory.consumer,
        sequence=advisory.stream_seq,
        error=DeadLetterError(code=DeadLetterCode.MAX_DELIVERIES, message=detail),
        deliveries=advisory.deliveries,
        now=now,
    )
    follow = ends(advisory.consumer, message.subject, message.body, detail, now) if message else ()
    return [letter, *follow]


async def _store_letter(deps: Deps, message: StoredMessage | None) -> None:
    """One that the stream no longer holds, or that is none, is left to the log's own limits."""
    if message is None:
        return
    try:
        letter = decode_event(message.subject, message.body)
    except (KeyError, ValidationError) as error:
        log.warning("a dead letter on %s cannot be read: %s", message.subject, error)
        return
    await deps.store.apply(project(letter, deps.clock.wall()))


def stored_at(info: Delivered) -> datetime:
    """When the server stored the message."""
    return datetime.fromtimestamp(info.published_ns / 1e9, UTC)
