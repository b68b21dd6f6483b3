"""Proposals are judged; each ends in one terminal event."""

import asyncio
from datetime import UTC, datetime

from libs.risk.evaluation import Scene, evaluate
from libs.risk.facts import known, symbols_of
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.account import Account, AccountState
from libs.schemas.decision import DecisionProposed, StrategyRef, TradingDecision
from libs.schemas.reasons import RejectReason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected, DecisionValidated
from services.validator.domain.verdict import JudgedDecision, Terminal, terminal, unfit
from services.validator.ports import Deps

ASK_AGAIN_S, SELDOM_S = 0.005, 0.05  # a mirror is behind by a few milliseconds, or by far
_NEVER = datetime.min.replace(tzinfo=UTC)


async def conclude(deps: Deps, proposal: DecisionProposed) -> Terminal:
    """The event that a proposal ends in."""
    if proposal.decision is None:
        ended = unfit(proposal, RejectReason.ABSTAINED, proposal.abstain_detail or "", deps.clock.now())
    else:
        ended = await _judged(deps, proposal, proposal.decision)
    outcome = ended.reason.value if isinstance(ended, DecisionRejected) else ended.status
    deps.meter.ended(_kind(ended), outcome)
    return ended


async def _judged(deps: Deps, proposal: DecisionProposed, decision: TradingDecision) -> Terminal:
    found = await _loaded(deps, proposal)
    if not isinstance(found, tuple):
        return found
    account, strategy, state = found
    symbols = symbols_of(proposal, state)
    marks = known(deps.marks.get, symbols)
    venue = {s: v for s in symbols if (v := deps.configuration.venue_symbol(account.venue, s)) is not None}
    scene = Scene(account, strategy, state, marks, venue, deps.clock.now(), deps.max_tick_age)
    began = deps.clock.monotonic()
    facts, judgement = evaluate(proposal, decision, scene)
    seconds = deps.clock.monotonic() - began
    deps.meter.judged(judgement, seconds)
    return terminal(proposal, JudgedDecision(decision, facts, judgement, seconds))


async def _loaded(deps: Deps, proposal: DecisionProposed) -> tuple[Account, TradingStrategy, AccountState] | Terminal:
    """Account, strategy as it was decided with, and state; mirrors may be a little behind the proposal."""
    until, pause = deps.clock.monotonic() + deps.mirror_wait, ASK_AGAIN_S
    while True:
        account, strategy, state = _look_up(deps, proposal)
        recent = state is not None and state.version >= proposal.facts.account_version
        known_all = account and strategy and recent and not _behind(deps, proposal)
        if known_all or deps.clock.monotonic() >= until:
            break
        await asyncio.sleep(pause)
        pause = min(2 * pause, SELDOM_S)
    if account is None:
        return _missing(deps, proposal, RejectReason.UNKNOWN_ACCOUNT, f"no account {proposal.account_id} is configured")
    if strategy is None:
        named = f"{proposal.strategy.id} version {proposal.strategy.version}"
        return _missing(deps, proposal, RejectReason.NO_STRATEGY, f"no strategy {named} is configured")
    if state is None:
        return _missing(deps, proposal, RejectReason.NO_STATE, f"no state of {proposal.account_id} is known yet")
    return account, strategy, state


def _behind(deps: Deps, proposal: DecisionProposed) -> bool:
    """Whether the context had newer ticks than this worker has read: an old price would deny what is sound."""
    marks = {symbol: deps.marks.get(symbol) for symbol in proposal.facts.assets}
    return proposal.facts.newer_than({symbol: mark.at if mark else _NEVER for symbol, mark in marks.items()})


def _look_up(
    deps: Deps, proposal: DecisionProposed
) -> tuple[Account | None, TradingStrategy | None, AccountState | None]:
    return (
        deps.configuration.account(proposal.account_id),
        _strategy(deps, proposal.strategy),
        deps.states.get(proposal.account_id),
    )


def _strategy(deps: Deps, named: StrategyRef) -> TradingStrategy | None:
    """The version that was decided with: under its own key, or as the active one where it was only stored as that."""
    found = deps.configuration.strategy(named.id, named.version) or deps.configuration.strategy(named.id)
    return found if found is not None and found.version == named.version else None


def _missing(deps: Deps, proposal: DecisionProposed, reason: RejectReason, detail: str) -> Terminal:
    return unfit(proposal, reason, detail, deps.clock.now())


def _kind(ended: Terminal) -> str:
    return type(ended).__name__.removeprefix("Decision").lower()


def emit_of(ended: Terminal) -> Emit:
    match ended:
        case DecisionValidated():
            return Emit(subjects.decision_validated(ended.account_id), ended)
        case DecisionEvaluated():
            return Emit(subjects.decision_evaluated(ended.account_id), ended)
        case DecisionRejected():
            return Emit(subjects.decision_rejected(ended.account_id), ended)
