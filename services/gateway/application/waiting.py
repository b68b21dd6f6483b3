"""Asking for a decision and waiting for its end."""

from collections.abc import Mapping
from datetime import timedelta

from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.analytics import DecisionResult
from libs.schemas.verdict import DecisionAnswered
from services.gateway.domain.problems import Away
from services.gateway.domain.records import TERMINAL
from services.gateway.domain.requests import GenerateRequest, Ids, life_of, request_of
from services.gateway.domain.waiting import Heard, halfway, hear, listen_for, result_of, settled
from services.gateway.ports import Deps, Events

POLL_S = 1.0  # the history covers what a reader has not heard yet after its connection was away
SETTLE_S = 0.5
QUIET_S = 0.02


async def ask(deps: Deps, wish: GenerateRequest, ids: Ids, by: str, life: timedelta, cause: Mapping[str, str]) -> None:
    """Publish the request; repeated with the same id it is stored once."""
    request = request_of(wish, ids.request_id, by, deps.clock.now(), life)
    emit = Emit(subjects.decision_requested(wish.account_id), request, correlation_id=ids.request_id)
    await deps.log.publish(emit, cause)


async def ask_and_wait(
    deps: Deps, wish: GenerateRequest, ids: Ids, by: str, timeout_s: float, cause: Mapping[str, str]
) -> DecisionResult | None:
    """The end of the decision, or None when it has not come in time; the decision goes on without its client."""
    began = deps.clock.monotonic()
    heard = listen_for(ids, deps.clock.now())
    async with deps.log.listen(wish.account_id) as events:
        known = None if ids.fresh else await _known(deps, ids)
        if known in TERMINAL:
            return await _from_history(deps, heard)
        if known is None:
            await ask(deps, wish, ids, by, life_of(timeout_s, deps.clock.speed), cause)
        return await _wait(deps, events, heard, began, timeout_s)


async def _wait(deps: Deps, events: Events, heard: Heard, began: float, timeout_s: float) -> DecisionResult | None:
    while (left := began + timeout_s - deps.clock.monotonic()) > 0:
        event = await events.next(min(left, POLL_S))
        heard = hear(heard, event) if event else heard
        if heard.terminal is not None:
            heard = await _with_orders(deps, events, heard)
            total_ms = (deps.clock.monotonic() - began) * 1000
            return result_of(heard, heard.terminal, total_ms) if heard.terminal else None
        if event is None or isinstance(event, DecisionAnswered):
            found = await _if_there(deps, heard)
            if found is not None:
                return found
    return None


async def _known(deps: Deps, ids: Ids) -> str | None:
    """The status of a decision that may have been asked for before: if it was, it goes on whatever we know of it."""
    try:
        return await deps.records.status(ids.decision_id)
    except Away as error:
        raise Away(error.dependency, unsure=True) from error


async def _if_there(deps: Deps, heard: Heard) -> DecisionResult | None:
    """The history only helps out: while it is away the events alone tell the end."""
    try:
        return await _from_history(deps, heard)
    except Away:
        return None


async def _with_orders(deps: Deps, events: Events, heard: Heard) -> Heard:
    """Orders follow a verdict within milliseconds; those that come later are in the record."""
    until = deps.clock.monotonic() + SETTLE_S
    while not settled(heard) and (left := until - deps.clock.monotonic()) > 0:
        event = await events.next(left)
        heard = hear(heard, event) if event else heard
    while heard.orders and (left := until - deps.clock.monotonic()) > 0:
        event = await events.next(left if halfway(heard) else min(left, QUIET_S))
        if event is None:
            break
        heard = hear(heard, event)
    return heard


async def _from_history(deps: Deps, heard: Heard) -> DecisionResult | None:
    return await deps.records.result(heard.target, heard.ids.request_id)
