"""What is checked of the decision as a whole. It only warns: each asset is judged by itself."""

from collections.abc import Callable

from libs.risk.case import exact
from libs.risk.values import RuleReceipt, show
from libs.schemas.decision import TradingDecision
from libs.schemas.reasons import Reason

PortfolioRule = Callable[[TradingDecision], RuleReceipt | None]
TOLERANCE = 0.01


def total_matches(decision: TradingDecision) -> RuleReceipt | None:
    """The allocations add up to the stated total, to within 1 % of the larger."""
    added = sum(ask.allocation_usd for ask in decision.decisions)
    stated = decision.total_allocation_usd
    if abs(added - stated) <= TOLERANCE * max(added, stated):
        return None
    message = f"allocations add up to {show(exact(added))}, total_allocation_usd says {show(exact(stated))}"
    return RuleReceipt("total_matches", "warn", Reason.TOTAL_MISMATCH, message, exact(stated), exact(added))


def portfolio_rationale(decision: TradingDecision) -> RuleReceipt | None:
    if decision.portfolio_rationale.strip():
        return None
    return RuleReceipt("rationale", "warn", Reason.RATIONALE_MISSING, "portfolio_rationale empty")


PORTFOLIO_RULES: tuple[PortfolioRule, ...] = (total_matches, portfolio_rationale)
