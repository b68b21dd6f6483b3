"""How big an entry is before any limit cuts it. What the model allocated is a request and an upper bound."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from libs.risk.case import HUNDRED, ZERO, Book, Case, constant, exact
from libs.risk.entry import Entry, clamp
from libs.risk.levels import unit_risk
from libs.risk.values import RuleReceipt
from libs.schemas.reasons import Reason
from libs.schemas.strategy import Sizing

ATR_MULTIPLE = Decimal(2)
KELLY_TRADES = 30


def fixed(entry: Entry, case: Case) -> Decimal:
    """A fixed margin in quote currency per order: an entry, or each rung of a ladder."""
    return _by_margin(entry, constant(case.limits.strategy.fixed_margin_usd or 0.0) * (len(entry.rungs) or 1))


def percentage(entry: Entry, case: Case) -> Decimal:
    """A share of equity as margin; by volatility where the strategy names no share."""
    share = case.limits.strategy.margin_pct
    if share is None:
        return volatility_adjusted(entry, case)
    return _by_margin(entry, case.account.equity * constant(share) / HUNDRED)


def volatility_adjusted(entry: Entry, case: Case) -> Decimal:
    """Risk budget ÷ stop distance: the larger of the default stop and 2 × ATR of `long_interval`.

    Where that has too few candles for an ATR, `interval`'s stands in; where there is neither, the entry's own stop.
    """
    market = entry.market
    longest = exact(market.long_atr_percent) if market.long_atr_percent else market.atr_percent
    wide = ATR_MULTIPLE * (longest or ZERO) / HUNDRED
    distance = entry.price * max(case.caps.stop, wide)
    return case.caps.risk / (distance or entry.stop_distance())


def kelly(entry: Entry, case: Case) -> Decimal:
    """Half of Kelly's share of equity is put at risk, never more than the risk per trade; `percentage` below 30 trades.

    f* = W − (1 − W) ÷ R, with W the share of the strategy's closed trades that won and R the mean win ÷ the mean loss
    (J. L. Kelly, "A New Interpretation of Information Rate", 1956, for a bet of two outcomes). What a unit loses is
    the way to the stop with both fees. Nothing below 0: no edge, no entry.
    """
    returns = case.account.returns.get(case.limits.strategy.strategy_id, ())
    if len(returns) < KELLY_TRADES:
        return percentage(entry, case)
    budget = min(case.caps.risk, case.account.equity * kelly_share(returns) / 2)
    return max(ZERO, budget) / unit_risk(entry)


def kelly_share(returns: Sequence[Decimal]) -> Decimal:
    """f* of at least one return, as a fraction of equity; below 0 where the trades show no edge."""
    wins, losses = [r for r in returns if r > 0], [r for r in returns if r < 0]
    won = Decimal(len(wins)) / len(returns)
    if not wins or not losses:
        return won
    ratio = (sum(wins, ZERO) / len(wins)) / (-sum(losses, ZERO) / len(losses))
    return won - (1 - won) / ratio


METHODS: Mapping[Sizing, Callable[[Entry, Case], Decimal]] = {
    "fixed": fixed,
    "percentage": percentage,
    "volatility_adjusted": volatility_adjusted,
    "kelly": kelly,
}


def size(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """Sets the quantity: what was asked for, or what the strategy's method gives, whichever is smaller."""
    method = case.limits.strategy.position_sizing
    entry.quantity = entry.margin_cap * entry.leverage / entry.price
    if entry.bound is not None:
        entry.quantity = min(entry.quantity, entry.bound)
    sized = METHODS[method](entry, case)
    cut = clamp(entry, sized, "sizing", Reason.SIZED, f"{method} sizing gives no more")
    if cut is not None:
        return cut
    return RuleReceipt(
        "sizing", "note", Reason.SIZED, f"{method} sizing allows as much", entry.notional, entry.notional
    )


def _by_margin(entry: Entry, margin: Decimal) -> Decimal:
    entry.margin_cap = min(entry.margin_cap, margin)
    return margin * entry.leverage / entry.price
