"""Rules about an entry's prices: its stop, its target, and how far the market has moved since the decision."""

from decimal import Decimal

from libs.perps.filters import round_price, round_stop, round_target
from libs.risk.case import HUNDRED, Book, Case, deny, exact
from libs.risk.entry import Entry
from libs.risk.values import RuleReceipt, show
from libs.schemas.reasons import Reason

DRIFT_FLOOR = Decimal("0.0005")
DRIFT_OF_ATR = Decimal("0.5")
DRIFT_OF_STOP = Decimal("0.25")
ABSURD = 2  # times the price: a decimal point or an asset mistaken, and a reward that no ratio may count on


def stop_required(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """Every entry carries a stop: the asked one, else that of the open position, else the strategy's default."""
    asked, tick = _asked_stop(entry), entry.venue.tick_size
    if asked is not None:
        entry.stop = round_stop(exact(asked), tick, entry.side)
        return None
    if entry.position is not None and entry.position.stop is not None:
        entry.stop = entry.position.stop
        return None
    away = case.caps.stop
    if away == 0:
        return deny("stop_required", Reason.STOP_MISSING, "no sl_price, and the strategy has no default stop")
    entry.stop = round_stop(entry.price * (1 - entry.sign * away), tick, entry.side)
    entry.stop_away = away if entry.rungs else None
    message = f"no sl_price: the strategy's default, {float(away):.3%} away, is set"
    return RuleReceipt("stop_required", "clamp", Reason.STOP_DEFAULTED, message, None, entry.stop)


def stop_side(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """The stop lies below entry and mark for a long, above them for a short, and never further than an open one."""
    stop, s = entry.stop, entry.sign
    if stop is None:
        return deny("tp_sl_logic", Reason.STOP_MISSING, "an entry needs a stop")
    if s * (entry.last - stop) <= 0 or s * (entry.market.mark - stop) <= 0:
        message = f"the stop of a {entry.side} at {show(stop)} is beyond its entry {show(entry.last)} or the mark"
        return deny("tp_sl_logic", Reason.STOP_WRONG_SIDE, message)
    current = None if entry.position is None else entry.position.stop
    if current is not None and s * (stop - current) < 0:
        message = f"the stop may not move away from the price, from {show(current)} to {show(stop)}"
        return deny("tp_sl_logic", Reason.STOP_MOVED_AWAY, message)
    return None


def price_drift(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """Denies when the mark moved by more than max(0.05 %, min(0.5 × ATR %, 0.25 × the stop's distance))."""
    if case.proposed is None or entry.stop is None:
        return None
    was = exact(case.proposed.assets[entry.row.ask.asset].mark)
    moved = abs(entry.market.mark - was) / was
    allowed = DRIFT_OF_STOP * abs(was - entry.stop) / was
    if entry.market.atr_percent is not None:
        allowed = min(allowed, DRIFT_OF_ATR * entry.market.atr_percent / HUNDRED)
    allowed = max(DRIFT_FLOOR, allowed)
    if moved <= allowed:
        return None
    message = f"the mark moved by {float(moved):.3%} since the decision, {float(allowed):.3%} is allowed"
    return RuleReceipt("price_drift", "deny", Reason.PRICE_DRIFT, message, was, entry.market.mark)


def target_default(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """Where none is asked for: the open position's, else what the strategy's ratio or percentage gives."""
    asked, tick = _asked_target(entry), entry.venue.tick_size
    if asked is not None:
        entry.target = round_target(exact(asked), tick, entry.side)
        return None
    if entry.position is not None and entry.position.target is not None:
        entry.target = entry.position.target
        return None
    found = _default_target(entry, case)
    if found is None or found <= 0:
        return None
    # Away from the price, unlike an asked one: the ratio must still hold after rounding.
    entry.target = round_price(found, tick, up=entry.side == "long")
    entry.target_away = entry.sign * (found - entry.price) / entry.price if entry.rungs else None
    message = "no tp_price: the strategy's default is set"
    return RuleReceipt("target_default", "clamp", Reason.TARGET_DEFAULTED, message, None, entry.target)


def target_side(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """The target lies beyond the entry; an asked one no further than the price itself: it would never be reached."""
    target = entry.target
    if target is None:
        return None
    if entry.sign * (target - entry.price) > 0:
        if _asked_target(entry) is None or target <= entry.price * ABSURD:
            return None
        message = f"a target at {show(target)} is absurd for an entry at {show(entry.price)}"
        return deny("tp_sl_logic", Reason.TARGET_ABSURD, message)
    message = f"the target of a {entry.side} at {show(target)} is behind its entry {show(entry.price)}"
    return deny("tp_sl_logic", Reason.TARGET_WRONG_SIDE, message)


def reward_risk(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """(target − entry − fees) ÷ (entry − stop + fees) reaches the strategy's ratio; skipped where it has none."""
    wanted = case.caps.reward
    if wanted is None:
        return None
    if entry.target is None:
        return deny("reward_risk", Reason.REWARD_TOO_SMALL, f"no target can pay {show(wanted)} times the risk")
    risk = unit_risk(entry)
    fees_in = entry.price * entry.entry_fee
    reward = entry.sign * (entry.target - entry.price) - fees_in - entry.target * entry.exit_fee
    if reward >= wanted * risk:
        return None
    ratio = reward / risk
    message = f"the target pays {ratio:.2f} times the risk net of fees, the strategy asks for {show(wanted)}"
    return RuleReceipt("reward_risk", "deny", Reason.REWARD_TOO_SMALL, message, ratio, wanted)


def unit_risk(entry: Entry) -> Decimal:
    """What one unit loses at the stop, both fees included."""
    stop = entry.stop or entry.price
    return entry.stop_distance() + entry.price * entry.entry_fee + stop * entry.exit_fee


def _default_target(entry: Entry, case: Case) -> Decimal | None:
    """The price whose profit net of fees is ratio × the risk at the stop, or `take_profit_pct` away from the entry."""
    s = entry.sign
    if case.caps.reward is not None:
        reward = case.caps.reward * unit_risk(entry)
        return (entry.price * (1 + s * entry.entry_fee) + s * reward) / (1 - s * entry.exit_fee)
    percent = case.limits.strategy.take_profit_pct
    return None if percent is None else entry.price * (1 + s * exact(percent) / HUNDRED)


def _asked_stop(entry: Entry) -> float | None:
    size = entry.row.ask.position_adjustment
    return entry.row.ask.sl_price if size is None or size.new_sl_price is None else size.new_sl_price


def _asked_target(entry: Entry) -> float | None:
    size = entry.row.ask.position_adjustment
    return entry.row.ask.tp_price if size is None or size.new_tp_price is None else size.new_tp_price
