"""R1: every request ends once, and so does every shadow arm."""

from collections import Counter
from collections.abc import Iterable, Mapping

from libs.invariants.log import Frontier, Log
from libs.invariants.rows import ContextRow, RequestRow
from libs.invariants.values import InvariantCheck, Tally
from libs.schemas import subjects


def requests_end_once(log: Log, frontier: Frontier) -> InvariantCheck:
    tally = Tally("R1", "every request has one end")
    ends = Counter(end.request_id for end in log.ends if not end.shadow)
    repeated = {name for name, count in Counter(row.request_id for row in log.requests).items() if count > 1}
    on_the_way = _Way(log, frontier)
    for request in {row.request_id: row for row in log.requests}.values():
        count = ends.pop(request.request_id, 0)
        if count == 0 and on_the_way.has(request):
            tally.moving += 1
            continue
        tally.judge(request.request_id, _told(count, repeated=request.request_id in repeated))
    for name, count in ends.items():
        if name in log.unread:
            tally.judge(name, _told(count))
        elif log.whole(subjects.REQUESTS):
            tally.breach(name, "an end without a request")
        else:
            tally.expired += 1
    return tally.done()


def _told(ends: int, *, repeated: bool = False) -> str | None:
    if repeated:
        return "requested more than once"
    if ends == 1:
        return None
    return f"ended {ends} times" if ends else "never ended, and nobody has it in hand"


class _Way:
    """Where a request without an end may still be."""

    def __init__(self, log: Log, frontier: Frontier) -> None:
        self._progress = frontier
        self._contexts = {row.request_id: row.sequence for row in log.contexts}
        self._proposals = {row.request_id: row.sequence for row in log.proposals if not row.shadow}
        self._ends = {row.decision_id: row.sequence for row in log.ends}

    def has(self, request: RequestRow) -> bool:
        name, beyond = request.request_id, self._progress.beyond
        return (
            name in self._progress.waiting
            or self._is_promoted(name)
            or beyond(subjects.CONTEXT_REQUESTS, request.sequence)
            or beyond(subjects.DECIDER_CONTEXTS, self._contexts.get(name, 0))
            or beyond(subjects.VALIDATOR_PROPOSALS, self._proposals.get(name, 0))
        )

    def _is_promoted(self, request_id: str) -> bool:
        """Its account's place was given to it by an end that the context worker has still in hand."""
        after = self._progress.promoted.get(request_id)
        return after is not None and self._progress.beyond(subjects.CONTEXT_ENDS, self._ends.get(after, 0))


def shadows_end_once(log: Log, frontier: Frontier) -> InvariantCheck:
    """And nothing comes of one: it ends in an evaluation, and no order is its own."""
    tally = Tally("R1", "every shadow arm has one evaluation and no order")
    ends = Counter(end.decision_id for end in log.ends if end.shadow and end.verb == "evaluated")
    others = {end.decision_id: end.verb for end in log.ends if end.shadow and end.verb != "evaluated"}
    ordered = {row.decision_id for row in log.orders if row.kind == "placed"}
    for context, decision_id in _wanted(log.contexts):
        count = ends.pop(decision_id, 0)
        if count == 0 and decision_id not in others and _moves(context, decision_id, log, frontier):
            tally.moving += 1
            continue
        tally.judge(decision_id, _shadow(count, others, decision_id, ordered))
    for decision_id in ends:
        if log.whole(subjects.CONTEXTS):
            tally.breach(decision_id, "an evaluation that no context asks for")
        else:
            tally.judge(decision_id, "it was executed" if decision_id in ordered else None)
            tally.expired += 1
    return tally.done()


def _wanted(contexts: Iterable[ContextRow]) -> list[tuple[ContextRow, str]]:
    return [(context, decision_id) for context in contexts for decision_id in context.shadows]


def _shadow(count: int, others: Mapping[str, str], decision_id: str, ordered: set[str]) -> str | None:
    if decision_id in others:
        return f"a shadow arm ended as {others[decision_id]}"
    if decision_id in ordered:
        return "a shadow arm was executed"
    return _told(count)


def _moves(context: ContextRow, decision_id: str, log: Log, frontier: Frontier) -> bool:
    """Its copy of the context is not read, or its proposal not judged, or neither was published yet."""
    read = [end.sequence for end in log.ends if end.verb != "answered"]
    if frontier.beyond(subjects.CONTEXT_ENDS, max(read, default=0)):  # an end lets the next context be built
        return True
    proposal = next((row.sequence for row in log.proposals if row.decision_id == decision_id), 0)
    return (
        frontier.beyond(subjects.DECIDER_CONTEXTS, context.sequence)
        or frontier.beyond(subjects.DECIDER_SHADOWS, log.shadowed.get(context.context_id, 0))
        or frontier.beyond(subjects.VALIDATOR_PROPOSALS, proposal)
    )
