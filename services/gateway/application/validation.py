"""The rules on a decision, now. Nothing is stored or sent."""

from dataclasses import replace

from libs.records.keys import ApiKey
from libs.risk.evaluation import Scene, evaluate
from libs.risk.facts import symbols_of
from libs.risk.marks import Mark
from libs.schemas.account import Account
from libs.schemas.decision import DecisionProposed
from services.gateway.application.access import seen_account
from services.gateway.domain.problems import invalid, not_found
from services.gateway.domain.validation import ValidateBody, Validated, answer, proposal_of
from services.gateway.ports import Deps


async def validated(deps: Deps, key: ApiKey, body: ValidateBody) -> Validated:
    """The verdicts that the validator would give on this decision at this moment."""
    if body.account is None:
        raise invalid("body.account_id", "name the account, or send a context")
    account = seen_account(deps, key, body.account)
    if body.context is not None and body.context.account_id != account.account_id:
        raise invalid("body.context", f"it is a context of another account than {account.account_id}")
    return await _judged(deps, account, body)


async def _judged(deps: Deps, account: Account, body: ValidateBody) -> Validated:
    state, strategy = deps.accounts.state(account.account_id), deps.accounts.strategy(account.strategy_id)
    if state is None or strategy is None:
        missing = "state" if state is None else f"strategy {account.strategy_id}"
        raise not_found(f"{missing} of {account.account_id}")
    context = body.context or await deps.market.context(account.account_id)
    proposal = proposal_of(body.decision, account, strategy, context, deps.clock.now())
    symbols = symbols_of(proposal, state)
    marks = {symbol: _funded(mark, symbol, proposal) for symbol, mark in (await deps.market.marks(symbols)).items()}
    venue = {s: rules for s in symbols if (rules := deps.accounts.venue_symbol(account.venue, s)) is not None}
    scene = Scene(account, strategy, state, marks, venue, proposal.proposed_at, deps.max_tick_age)
    began = deps.clock.monotonic()
    facts, judgement = evaluate(proposal, body.decision, scene)
    return answer(proposal, facts, judgement, context, deps.clock.monotonic() - began)


def _funded(mark: Mark, symbol: str, proposal: DecisionProposed) -> Mark:
    """The validator remembers a funding rate that an earlier tick named; here the context does."""
    seen = proposal.facts.assets.get(symbol)
    if mark.funding_rate is not None or seen is None:
        return mark
    return replace(mark, funding_rate=seen.funding_rate, next_funding_time=seen.next_funding_time)
