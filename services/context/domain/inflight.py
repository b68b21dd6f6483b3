"""Who decides now, who shares that decision and who waits: a pure state machine over one account's place.

A place is free or held by one request. `ask` says what becomes of a request, `release` what follows from an end.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from libs.schemas import ids
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import MAX_JOINED, MAX_REMEMBERED, Holder, InFlight, Joined, Taken, Waiting

MAX_LINE = 4


class RequestCourse(StrEnum):
    """What becomes of a request."""

    TAKE = "take"  # it is decided now
    GO_ON = "go_on"  # it is decided already: an earlier delivery took the place
    JOIN = "join"  # the decision in flight, or one that waits, will answer it
    WAIT = "wait"  # it is decided later
    KNOWN = "known"  # it has its place in here, or its end: there is nothing to do
    BUSY = "busy"  # there is no room


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """What is known when a place is taken: market time, when it counts as dead (wall time), the newest version of the
    account's state, prices by symbol, the key of what its decision may answer later, and the trace of what is asked."""

    now: datetime
    deadline: datetime
    account_version: int
    prices: dict[str, float]
    key: str | None = None
    after: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What becomes of a request, and the place as it is then."""

    course: RequestCourse
    slot: InFlight


Wish = tuple[object, ...]


def wish(request: DecisionRequest) -> Wish:
    """What a decision has to agree in to answer a request: equal wishes are identical requests."""
    symbols = None if request.symbols is None else tuple(sorted(set(request.symbols)))
    return symbols, request.strategy_override, request.model, request.force_refresh, request.dry_run


def plain(request: DecisionRequest) -> bool:
    """Whether it wishes nothing in particular, as all triggers do."""
    return wish(request) == (None, None, None, False, request.dry_run)


def decision_id(account_id: str, cycle: str) -> str:
    """Of the live arm."""
    return ids.decision_id(ids.context_id(account_id, cycle), "live")


def known(slot: InFlight) -> frozenset[str]:
    """Ids of the requests that have a place or an end in here."""
    found = {*slot.ended}
    if slot.holder:
        found |= {slot.holder.request_id, *(one.request_id for one in slot.holder.joined)}
    for waiting in slot.line:
        found |= {waiting.request.request_id, *(one.request_id for one in waiting.joined)}
    return frozenset(found)


def ask(slot: InFlight, request: DecisionRequest, facts: PlaceFacts) -> RequestOutcome:
    """The course of a request that was delivered; repeated, it changes nothing."""
    if slot.holder and slot.holder.request_id == request.request_id:
        return RequestOutcome(RequestCourse.GO_ON, slot)
    if request.request_id in known(slot):
        return RequestOutcome(RequestCourse.KNOWN, slot)
    if slot.holder is None:
        return RequestOutcome(
            RequestCourse.TAKE,
            slot.model_copy(update={"holder": _holder(Waiting(request=request, trace=facts.trace), facts)}),
        )
    if answers(slot.holder, request) and len(slot.holder.joined) < MAX_JOINED:
        holder = slot.holder.model_copy(update={"joined": (*slot.holder.joined, _joined(request, facts.trace))})
        return RequestOutcome(RequestCourse.JOIN, slot.model_copy(update={"holder": holder}))
    return _line_up(slot, request, facts.trace)


def answers(holder: Holder, request: DecisionRequest) -> bool:
    """Whether the decision in flight is what the request wishes, from facts that are as new as it asks for."""
    fresh = request.facts_since is None or holder.taken_at >= request.facts_since
    return fresh and holder.account_version >= (request.account_version or 0) and wish(holder.request) == wish(request)


def release(slot: InFlight, decision: str, facts: PlaceFacts, *, decided: bool) -> InFlight | None:
    """The place after a decision's end: the next in line holds it. None where that decision does not hold it.

    `decided` is false for an end without a decision (nobody answered, it expired): then prices are still compared with
    those of the decision before.
    """
    holder = slot.holder
    if holder is None or holder.decision_id != decision:
        return None
    ended = (*slot.ended, holder.request_id, *(one.request_id for one in holder.joined))[-MAX_REMEMBERED:]
    following = _holder(slot.line[0], replace(facts, after=decision)) if slot.line else None
    last = Taken.model_validate(holder.model_dump(include=set(Taken.model_fields))) if decided else slot.last
    return slot.model_copy(update={"holder": following, "line": slot.line[1:], "last": last, "ended": ended})


def overdue(slot: InFlight, wall: datetime) -> bool:
    """Whether the holder counts as dead."""
    return slot.holder is not None and wall > slot.holder.deadline


def newest(slot: InFlight | None) -> Taken | None:
    """The newest decision that was begun and not given up."""
    return None if slot is None else slot.holder or slot.last


def _holder(waiting: Waiting, facts: PlaceFacts) -> Holder:
    request = waiting.request
    return Holder(
        request_id=request.request_id,
        decision_id=decision_id(request.account_id, request.cycle),
        taken_at=facts.now,
        account_version=max(facts.account_version, request.account_version or 0, waiting.account_version),
        prices=facts.prices,
        request=request,
        deadline=facts.deadline,
        key=facts.key,
        after=facts.after,
        joined=waiting.joined,
        trace=waiting.trace,
    )


def _line_up(slot: InFlight, request: DecisionRequest, trace: str | None) -> RequestOutcome:
    """Identical requests wait as one. There is always room for a trigger: all of them wish the same."""
    for n, waiting in enumerate(slot.line):
        if wish(waiting.request) == wish(request) and len(waiting.joined) < MAX_JOINED:
            version = max(waiting.account_version, request.account_version or 0)
            merged = waiting.model_copy(
                update={"joined": (*waiting.joined, _joined(request, trace)), "account_version": version}
            )
            line = (*slot.line[:n], merged, *slot.line[n + 1 :])
            return RequestOutcome(RequestCourse.JOIN, slot.model_copy(update={"line": line}))
    particular = sum(not plain(waiting.request) for waiting in slot.line)
    if (plain(request) and len(slot.line) > particular) or (not plain(request) and particular >= MAX_LINE):
        return RequestOutcome(RequestCourse.BUSY, slot)
    line = (*slot.line, Waiting(request=request, account_version=request.account_version or 0, trace=trace))
    return RequestOutcome(RequestCourse.WAIT, slot.model_copy(update={"line": line}))


def _joined(request: DecisionRequest, trace: str | None) -> Joined:
    return Joined(request_id=request.request_id, cycle=request.cycle, trace=trace)
