"""The end of a decision answers those that joined it and gives its place to the next in line."""

import logging

from libs.runtime.emit import Emits, in_trace
from libs.runtime.errors import Conflict
from libs.runtime.failpoints import hit
from libs.schemas.base import Message
from libs.schemas.inflight import Holder, InFlight
from libs.schemas.kv_keys import inflight_key
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected, DecisionValidated
from services.context.application.building import answer, refuse, settle
from services.context.application.places import answered, facts, present
from services.context.domain import reuse
from services.context.domain.context import ContextRefusal
from services.context.domain.inflight import overdue, release
from services.context.domain.memory import remembered
from services.context.ports import Deps

End = DecisionValidated | DecisionRejected | DecisionEvaluated
log = logging.getLogger(__name__)


async def ended(deps: Deps, body: Message, deliveries: int | None = None) -> Emits:
    """What follows from the end of a decision. Repeated after a crash, or Later, it goes on where it was."""
    if not isinstance(body, End) or body.arm.shadow:
        return ()
    key = inflight_key(body.account_id, dry_run=body.dry_run)
    decided = not isinstance(body, DecisionRejected) or body.reason is RejectReason.NOTHING_PASSED
    freed = await let_go(deps, key, body.account_id, body.decision_id, decided=decided, end=body)
    return await _next(deps, freed, deliveries)


async def let_go(
    deps: Deps, key: str, account_id: str, decision_id: str, *, decided: bool, end: End | None = None
) -> InFlight | None:
    """Free the place that the decision holds: first the answers, then the place. Returns it, if there is a next one."""
    seen = deps.places.seen(key)
    while True:
        mine = seen is not None and seen.slot.holder is not None and seen.slot.holder.decision_id == decision_id
        place, seen = seen if seen and mine else await present(deps, key, account_id), None
        holder = place.slot.holder
        if holder is None or holder.decision_id != decision_id:
            # it may have been freed already, by this very end, and the process died before the next context was stored
            return place.slot if holder and holder.after == decision_id else None
        await _answer_joined(deps, holder)
        await _remember(deps, holder, end)
        freed = _with_verdicts(await _freed(deps, place.slot, decision_id, decided=decided), end)
        try:
            await deps.places.write(key, freed, place.revision)
        except Conflict:
            continue
        hit("context.after_release")
        return freed


async def give_up(deps: Deps, key: str, slot: InFlight) -> None:
    """End a decision that outlived its deadline. The log takes the first end alone: one that came before counts."""
    holder = slot.holder
    if holder is None or not overdue(slot, deps.clock.wall()):
        return
    detail = f"no end within {deps.limits.inflight_deadline:g} s of the decision's begin"
    log.warning("%s of %s is given up: %s", holder.decision_id, slot.account_id, detail)
    deps.meter.overdue()
    for emit in refuse(deps, holder.request, ContextRefusal(RejectReason.EXPIRED, detail, holder.account_version)):
        stored = await deps.publisher.publish(in_trace(emit, holder.trace))
        if stored.duplicate:  # its end was read, or never will be: nobody else frees the place
            freed = await let_go(deps, key, slot.account_id, holder.decision_id, decided=False)
            await deps.publisher.publish_many(await _next(deps, freed))


async def _freed(deps: Deps, slot: InFlight, decision_id: str, *, decided: bool) -> InFlight:
    await settle(deps, deps.clock.now())
    following = slot.line[0].request if slot.line else slot.holder.request if slot.holder else None
    assert following is not None  # noqa: S101 - a place that is freed has a holder
    freed = release(slot, decision_id, facts(deps, following), decided=decided)
    assert freed is not None  # noqa: S101 - the caller has compared the holder
    return freed


def _with_verdicts(slot: InFlight, end: End | None) -> InFlight:
    """The place with what the rules said: later contexts of the account tell it."""
    if end is None or isinstance(end, DecisionEvaluated):
        return slot
    return slot.model_copy(update={"verdicts": remembered(slot.verdicts, end)})


async def _next(deps: Deps, slot: InFlight | None, deliveries: int | None = None) -> Emits:
    if slot is None or slot.holder is None:
        return ()
    emits = await answer(deps, slot.holder.request, slot.holder.account_version, deliveries)
    return [in_trace(emit, slot.holder.trace) for emit in emits]


async def _answer_joined(deps: Deps, holder: Holder) -> None:
    account_id, by = holder.request.account_id, holder.decision_id
    emits = [answered(deps, account_id, joined, by, "joined") for joined in holder.joined]
    await deps.publisher.publish_many(emits)
    hit("context.after_answers")


async def _remember(deps: Deps, holder: Holder, end: End | None) -> None:
    if isinstance(end, DecisionValidated) and holder.key and not end.dry_run:
        await deps.reuse.keep(holder.key, reuse.kept(holder, end.decision))
