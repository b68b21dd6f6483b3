"""A decision that a client wants judged, and what the rules say of it."""

from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from libs.risk.facts import facts_of_context
from libs.risk.values import Judgement
from libs.schemas.account import Account
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, Facts, StrategyRef, TradingDecision
from libs.schemas.strategy import TradingStrategy
from libs.schemas.verdict import AssetVerdict, Receipt
from services.gateway.domain.configuring import AccountRef, Body
from services.gateway.domain.summaries import complaints

LIFE = timedelta(seconds=60)


class ValidateBody(Body):
    """A decision for an account as it stands now. `context` is what the decision was made on; without it the newest
    stored context of the account says what only a context knows: ATR, indicators, correlations."""

    decision: TradingDecision
    account_id: AccountRef | None = None
    context: TradingContext | None = None

    @property
    def account(self) -> str | None:
        return self.account_id or (self.context.account_id if self.context else None)


class Validated(BaseModel):
    """The verdicts of the rules at this moment. Nothing was stored or sent."""

    account_id: str
    status: str
    verdicts: tuple[AssetVerdict, ...]
    portfolio_receipts: tuple[Receipt, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    rules_checked: int
    validation_time_ms: float = Field(ge=0)
    strategy: StrategyRef
    account_version: int
    facts: Facts
    context_id: str | None = Field(description="the context that ATR, indicators and correlations are from")
    context_age_seconds: float | None = Field(description="market seconds since it was built")


def proposal_of(
    decision: TradingDecision,
    account: Account,
    strategy: TradingStrategy,
    context: TradingContext | None,
    now: datetime,
) -> DecisionProposed:
    """The decision as a decider would propose it now: a dry run that nobody publishes."""
    facts = facts_of_context(context) if context else Facts(assets={}, account_version=0, as_of=now)
    return DecisionProposed(
        decision_id="validate",
        context_id=context.context_id if context else "validate",
        request_id="validate",
        account_id=account.account_id,
        status="proposed",
        decision=decision,
        context_ref=context.context_id if context else "validate",
        symbols=context.symbols if context else account.symbols,
        facts=facts,
        strategy=StrategyRef(id=strategy.strategy_id, version=strategy.version),
        dry_run=True,
        correlation_id="validate",
        proposed_at=now,
        expires_at=now + LIFE,
    )


def answer(
    proposal: DecisionProposed, facts: Facts, judgement: Judgement, context: TradingContext | None, seconds: float
) -> Validated:
    verdicts, portfolio = judgement.to_wire(), judgement.portfolio_to_wire()
    errors, warnings = complaints(verdicts, portfolio)
    return Validated(
        account_id=proposal.account_id,
        status=judgement.status,
        verdicts=verdicts,
        portfolio_receipts=portfolio,
        errors=errors,
        warnings=warnings,
        rules_checked=judgement.rules_checked,
        validation_time_ms=seconds * 1_000,
        strategy=proposal.strategy,
        account_version=facts.account_version,
        facts=facts,
        context_id=context.context_id if context else None,
        context_age_seconds=(facts.as_of - context.timestamp).total_seconds() if context else None,
    )
