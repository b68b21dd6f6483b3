"""Causes of decisions beside the closed interval: a price that moved, an executed stop or target, near funding.

Each is a pure function of what all replicas know, so that each of them finds the same cause under the same id.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.schemas import ids
from libs.schemas.account import Account, AccountState
from libs.schemas.context import DecisionRequest, Trigger, TriggerKind
from libs.schemas.inflight import InFlight, Taken
from libs.schemas.orders import PositionEvent
from libs.schemas.reasons import OrderReason
from services.context.domain.inflight import newest, plain

EXECUTED = frozenset({OrderReason.STOP, OrderReason.TARGET, OrderReason.LIQUIDATION})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an account should decide: since `at` (market time), and about facts that are no older than `facts_since`."""

    account_id: str
    kind: TriggerKind
    cycle: str
    detail: str
    at: datetime
    facts_since: datetime
    account_version: int | None = None

    @property
    def request_id(self) -> str:
        return ids.trigger_request_id(self.account_id, self.cycle)


@dataclass(frozen=True, slots=True)
class NewestPrice:
    """The newest price of a symbol and its time."""

    price: float
    at: datetime


def request(cause: Cause, planned: datetime, expires_at: datetime) -> DecisionRequest:
    """The request that a cause is published as."""
    return DecisionRequest(
        request_id=cause.request_id,
        account_id=cause.account_id,
        cycle=cause.cycle,
        trigger=Trigger(kind=cause.kind, detail=cause.detail),
        account_version=cause.account_version,
        facts_since=cause.facts_since,
        requested_by="context",
        requested_at=planned,
        expires_at=expires_at,
    )


def executed(account: Account, event: PositionEvent | None, slot: InFlight | None) -> Cause | None:
    """A stop, a target or a liquidation was executed, and no decision that was begun since knows of it."""
    if event is None or event.cause not in EXECUTED or event.account_version <= _version_known(slot):
        return None
    return Cause(
        account.account_id,
        "position",
        ids.position_cycle(event.event_id),
        f"{event.cause} of {event.symbol} executed",
        event.at,
        event.at,
        event.account_version,
    )


def moved(
    account: Account, slot: InFlight | None, quotes: Mapping[str, NewestPrice], catch_up: timedelta, now: datetime
) -> Cause | None:
    """A price has gone beyond the account's threshold since the last decision.

    Trap: a decision older than `catch_up` means that triggers were missed. Then every price has moved; the next
    interval catches up, spread over the accounts, instead of all of them at once.
    """
    last, limit = movable(account, slot), account.price_trigger_pct
    if limit is None or last is None or now - last.taken_at > catch_up:
        return None
    for symbol in account.symbols:
        quote, before = quotes.get(symbol), last.prices.get(symbol)
        if quote is None or before is None or quote.at <= last.taken_at:
            continue
        change = (quote.price / before - 1) * 100
        if abs(change) >= limit:
            return _move(account, symbol, quote, change, last)
    return None


def movable(account: Account, slot: InFlight | None) -> Taken | None:
    """The decision from whose prices a move is measured; None while none would be a cause."""
    return None if account.price_trigger_pct is None or _waits(slot) else newest(slot)


def _move(account: Account, symbol: str, quote: NewestPrice, change: float, last: Taken) -> Cause:
    cycle = ids.price_cycle(symbol, last.decision_id)
    detail = f"{symbol} moved by {change:+.2f} % since the last decision"
    return Cause(account.account_id, "price", cycle, detail, quote.at, quote.at)


def funding_near(
    account: Account,
    state: AccountState | None,
    slot: InFlight | None,
    next_funding: Callable[[str], datetime | None],
    now: datetime,
) -> Cause | None:
    """Funding of an open position comes within `funding_near_min`, and no decision was begun since it was so near."""
    if not account.funding_near_min or state is None:
        return None
    for position in state.positions:
        due = next_funding(position.symbol)
        if due is None:
            continue
        since = max(due - timedelta(minutes=account.funding_near_min), position.opened_at)
        last = newest(slot)
        if since <= now < due and (last is None or last.taken_at < since) and not _waits(slot):
            cycle = ids.funding_cycle(position.symbol, due)
            detail = f"{position.symbol} pays funding at {due.isoformat()}"
            return Cause(account.account_id, "funding", cycle, detail, since, since)
    return None


def first(causes: Iterable[Cause | None]) -> Cause | None:
    """The cause that matters most: those given first."""
    return next((cause for cause in causes if cause is not None), None)


def _version_known(slot: InFlight | None) -> int:
    """The newest version of the account that a decision was, or surely will be, made from."""
    if slot is None:
        return 0
    taken = newest(slot)
    waiting = [w.account_version for w in slot.line if plain(w.request)]
    return max([taken.account_version if taken else 0, *waiting])


def _waits(slot: InFlight | None) -> bool:
    """Whether a trigger waits for its turn already: its context will be made from the newest facts."""
    return slot is not None and any(plain(waiting.request) for waiting in slot.line)
