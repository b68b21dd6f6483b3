"""Rules that let an entry in or not, before it is priced or sized. Each denies or passes; none of them sees an exit."""

from collections.abc import Callable
from datetime import timedelta

from libs.perps.funding import USUAL_HOURS, per_8h
from libs.perps.sides import opened_by, sign
from libs.risk.case import Book, Case, Row, deny
from libs.risk.values import RuleReceipt
from libs.schemas.account import PositionSide
from libs.schemas.decision import AssetFacts
from libs.schemas.reasons import Reason

Gate = Callable[[Row, Book, Case], RuleReceipt | None]
BPS = 10_000
FUNDING_NEAR = timedelta(minutes=5)


def side_of(row: Row, book: Book) -> PositionSide | None:
    """The side that an entry opens or adds to; None for an increase whose position is gone."""
    match row.ask.action:
        case "buy" | "sell" as side:
            return opened_by(side)
        case _:
            position = book.positions.get(row.ask.asset)
            return None if position is None else position.side


def account_status(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    match case.account.status:
        case "paused":
            return deny("account_status", Reason.ACCOUNT_PAUSED, "the account is paused: no new risk")
        case "stopped":
            return deny("account_status", Reason.ACCOUNT_STOPPED, "the account is stopped: no new risk")
        case _:
            return None


def trading_state(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    match case.account.trading_state:
        case "reducing":
            return deny("trading_state", Reason.TRADING_REDUCING, "trading is reducing: no new risk")
        case "halted":
            return deny("trading_state", Reason.TRADING_HALTED, "trading is halted: no new risk")
        case _:
            return None


def not_expired(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    if case.now < case.expires_at:
        return None
    late = (case.now - case.expires_at).total_seconds()
    return deny("fresh", Reason.DECISION_EXPIRED, f"the decision expired {late:.1f} s ago")


def fresh(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    """The market is known now, and was known to the decision, with indicators."""
    asset = row.ask.asset
    wrong = _unusable(asset, case.facts.assets.get(asset), "now")
    if wrong is None and case.proposed is not None:
        return _unusable(asset, case.proposed.assets.get(asset), "at the decision")
    return wrong


def _unusable(asset: str, seen: AssetFacts | None, when: str) -> RuleReceipt | None:
    if seen is None:
        return deny("fresh", Reason.NO_PRICE, f"no price of {asset} {when}")
    if seen.stale:
        return deny("fresh", Reason.STALE_ASSET, f"{asset} is stale {when}: its tick is {seen.age_seconds:.0f} s old")
    if not seen.has_indicators:
        return deny("fresh", Reason.NO_INDICATORS, f"no indicators of {asset} {when}")
    return None


def opposite_side(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    """Nothing flips by accident: the other side must be closed first, in this decision or an earlier one."""
    side, position = side_of(row, book), book.positions.get(row.ask.asset)
    if side is None:
        return deny(
            "opposite_side", Reason.SUPERSEDED, f"{row.ask.asset} is closed by another row: nothing to increase"
        )
    if position is not None and position.side != side:
        open_first = f"a {position.side} is open: close it before you {row.ask.action}"
        return deny("opposite_side", Reason.OPPOSITE_SIDE, open_first)
    resting = book.resting.get(row.ask.asset)
    if resting is None or resting.side in (None, side):
        return None
    waiting = f"a {resting.side} entry is still resting: {row.ask.action} once it has filled or is gone"
    return deny("opposite_side", Reason.OPPOSITE_SIDE, waiting)


def cooldown(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    last = case.account.last_entry_at.get(row.ask.asset)
    pause = case.limits.strategy.risk_parameters.cooldown_period
    if last is None or (passed := (case.now - last).total_seconds()) >= pause:
        return None
    return deny("cooldown", Reason.COOLDOWN, f"the last entry was {passed:.0f} s ago, the strategy waits {pause} s")


def max_positions(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    """Only a new symbol counts; resting entries and those accepted in this decision hold a place."""
    most = case.limits.strategy.max_positions
    if row.ask.asset in book.notional or len(book.notional) < most:
        return None
    return deny("max_positions", Reason.MAX_POSITIONS, f"{len(book.notional)} of {most} positions are taken")


def daily_loss(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    """The day's loss, deposits and withdrawals aside, against a share of the day's opening equity."""
    account = case.account
    gained = account.equity - account.day_open_equity - account.transfers
    if gained > -case.caps.day_loss:
        return None
    return deny(
        "daily_loss", Reason.DAILY_LOSS, f"the day stands at {gained:.2f}, entries end at {-case.caps.day_loss:.2f}"
    )


def funding(row: Row, book: Book, case: Case) -> RuleReceipt | None:
    """Adverse funding, and funding that is due while it is adverse or blacked out; limits are per 8 h."""
    seen, side = case.facts.assets.get(row.ask.asset), side_of(row, book)
    if seen is None or side is None:
        return None
    strategy = case.limits.strategy
    told = float(sign(side)) * (seen.funding_rate or 0.0)
    adverse = per_8h(told, seen.funding_interval_hours)
    most = strategy.risk_parameters.max_funding_rate_bps
    if adverse * BPS > most:
        return deny(
            "funding",
            Reason.FUNDING_ADVERSE,
            f"funding costs {adverse * BPS:.2f} bps per 8 h{_as_told(told, seen)}, the limit is {most:g}",
        )
    if seen.next_funding_time is None:
        return None
    due = abs(seen.next_funding_time - case.now)
    if strategy.funding_blackout_min and due <= timedelta(minutes=strategy.funding_blackout_min):
        return deny(
            "funding", Reason.FUNDING_NEAR, f"no entries this near to funding: it is {due.total_seconds():.0f} s away"
        )
    if adverse * 100 > strategy.funding_rate_threshold and due <= FUNDING_NEAR:
        return deny(
            "funding",
            Reason.FUNDING_NEAR,
            f"funding of {adverse:.4%} against it{_as_told(told, seen)} is due within {due.total_seconds():.0f} s",
        )
    return None


def _as_told(rate: float, seen: AssetFacts) -> str:
    hours = seen.funding_interval_hours
    return "" if hours in (None, USUAL_HOURS) else f" ({rate * BPS:.2f} per {hours:g} h)"


ENTRY_GATES: tuple[Gate, ...] = (
    account_status,
    trading_state,
    not_expired,
    fresh,
    opposite_side,
    daily_loss,
    cooldown,
    funding,
    max_positions,
)
