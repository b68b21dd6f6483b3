"""What came of the account's own last decisions: facts that code has recorded, not a word that a model wrote."""

from libs.schemas.context import PositionSummary, TradingContext
from libs.schemas.memory import PastDecision, PastTrade
from libs.strategies.invalidation import stated
from libs.strategies.view import View
from services.decider.domain.figures import minutes_between, span

_ENTRIES = ("buy", "sell")


def outcomes(context: TradingContext, view: View) -> str:
    """The newest `view.outcomes` of each asset, oldest → newest."""
    by_asset: dict[str, list[PastDecision]] = {}
    for each in context.past_decisions:
        by_asset.setdefault(each.asset, []).append(each)
    kept = [each for group in by_asset.values() for each in group[-view.outcomes :] if view.outcomes]
    if not kept:
        return ""
    head = "# What came of your last decisions, oldest → newest (results in USD, net of fees and funding)"
    return "\n".join((head, *(_line(context, each) for each in sorted(kept, key=lambda each: (each.at, each.asset)))))


def invalidation(position: PositionSummary) -> str:
    """What a position's decision named, and whether it has happened since it was opened."""
    if not position.conditions:
        return "invalidation: none that code can check"
    return f"invalidation: {stated(position.conditions)}: {_happened(position)}"


def _line(context: TradingContext, each: PastDecision) -> str:
    ago = span(minutes_between(each.at, context.timestamp))
    said = each.verdict
    action = f"{said.action} {said.verdict}" if said else "entered"
    why = f" ({', '.join(said.reasons)})" if said and said.reasons else ""
    return f"{each.asset} {ago} ago: {action}{why}{_became(context, each)}"


def _became(context: TradingContext, each: PastDecision) -> str:
    if each.trade is not None:
        return f"; {_trade(each.trade)}"
    if each.traded:
        return "; open"
    if each.verdict is None or each.verdict.verdict == "denied" or each.verdict.action not in _ENTRIES:
        return ""
    resting = any(order.decision_id == each.verdict.decision_id for order in context.account_state.open_orders)
    return "; rests" if resting else "; nothing filled"


def _trade(trade: PastTrade) -> str:
    by = f" by {trade.closed_by}" if trade.closed_by else ""
    text = f"{trade.side}, closed{by} after {span(trade.held_minutes)}, result {trade.result:+.2f}"
    return f"{text}; {stated(trade.conditions)}: {_happened(trade)}" if trade.conditions else text


def _happened(what: PositionSummary | PastTrade) -> str:
    if what.invalidated_at is not None:
        return f"happened at {what.invalidated_at:%m-%d %H:%M}"
    return "has not happened" if what.checked else "not known, candles are missing"
