"""A request takes its account's place, shares it, waits for it, or is answered by an earlier decision."""

from libs.runtime.emit import Emit, Emits
from libs.runtime.errors import Conflict
from libs.runtime.failpoints import hit
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight, Joined
from libs.schemas.kv_keys import inflight_key
from libs.schemas.reasons import RejectReason
from services.context.application.building import answer, configured, refuse, settle
from services.context.application.places import answered, facts, present
from services.context.domain import reuse
from services.context.domain.context import ContextRefusal
from services.context.domain.inflight import RequestCourse, RequestOutcome, ask
from services.context.ports import Deps


async def requested(deps: Deps, body: DecisionRequest, deliveries: int | None = None) -> Emits:
    """What follows from a request. Repeated after a crash, or Later, it goes on where it was."""
    await settle(deps, deps.clock.now())
    asking = await _place(deps, body)
    if not isinstance(asking, RequestOutcome):
        return asking
    if asking.course in (RequestCourse.TAKE, RequestCourse.GO_ON) and asking.slot.holder is not None:
        return await answer(deps, body, asking.slot.holder.account_version, deliveries)
    if asking.course is not RequestCourse.KNOWN:
        deps.meter.ended(asking.course.value)
    return ()


async def _place(deps: Deps, body: DecisionRequest) -> RequestOutcome | Emits:
    """The course that was taken, and written down; or the end of a request that needs no place."""
    key = inflight_key(body.account_id, dry_run=body.dry_run)
    place = deps.places.seen(key) or await present(deps, key, body.account_id)
    while True:
        asking = ask(place.slot, body, facts(deps, body))
        if asking.course in (RequestCourse.KNOWN, RequestCourse.GO_ON):
            return asking
        end = await _end(deps, body, asking)
        if end is not None:
            return end
        try:
            await deps.places.write(key, asking.slot, place.revision)
        except Conflict:
            place = await present(deps, key, body.account_id)
            continue
        hit("context.after_place")
        return asking


async def _end(deps: Deps, body: DecisionRequest, asking: RequestOutcome) -> Emits | None:
    """The end of a request that cannot be decided, or that an earlier decision answers."""
    found = configured(deps, body)
    if isinstance(found, ContextRefusal):
        return refuse(deps, body, found)
    if asking.course is RequestCourse.BUSY:
        return refuse(deps, body, _busy(asking.slot))
    earlier = None if asking.course is RequestCourse.JOIN else await _earlier(deps, body)
    return None if earlier is None else (earlier,)


async def _earlier(deps: Deps, body: DecisionRequest) -> Emit | None:
    """The answer by a decision that was made from the same and is young enough."""
    now = facts(deps, body)
    found = await deps.reuse.find(now.key) if now.key else None
    if found is None or not reuse.answers(found, body, now.prices, now.now, deps.limits.drift):
        return None
    deps.meter.ended("cached")
    joined = Joined(request_id=body.request_id, cycle=body.cycle)
    return answered(deps, body.account_id, joined, found.decision_id, "cached")


def _busy(slot: InFlight) -> ContextRefusal:
    detail = f"{len(slot.line)} other requests of the account wait for their turn; ask again when they have ended"
    return ContextRefusal(RejectReason.BUSY, detail)
