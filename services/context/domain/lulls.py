"""How long an account surely asks for nothing: what a look found nothing in is not looked at again before that.

A look at an account costs some forty microseconds, and there are several a second. What it depends on is either in its
standing, which is compared, or in the times and prices that end the lull.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from libs.schemas.account import Account, AccountState
from libs.schemas.inflight import InFlight, Taken
from libs.schemas.orders import PositionEvent
from libs.schemas.strategy import TradingStrategy
from services.context.domain.causes import Cause, NewestPrice, movable
from services.context.domain.inflight import known
from services.context.domain.triggers import Asked, on_its_way

FOREVER = datetime.max.replace(tzinfo=UTC)
ROUNDING = 1e-9  # a price so near to its threshold is looked at exactly
SPARE = 64
Band = tuple[str, float, float]


class AccountStanding(NamedTuple):
    """What the triggers of an account depend on, but for time, prices and candles."""

    account: Account
    strategy: TradingStrategy
    asked: Asked | None
    slot: InFlight | None
    event: PositionEvent | None
    state: AccountState | None


@dataclass(frozen=True, slots=True)
class Lull:
    """Nothing is asked for from `since` until `until` (market time) while the standing is the same and each price stays
    between its two thresholds."""

    standing: AccountStanding
    since: datetime
    until: datetime
    bands: tuple[Band, ...] = ()

    def holds(self, standing: AccountStanding, quotes: Mapping[str, NewestPrice], now: datetime) -> bool:
        if not self.since <= now < self.until or self.standing != standing:
            return False
        return all(symbol not in quotes or low < quotes[symbol].price < high for symbol, low, high in self.bands)


class Lulls:
    """Of all accounts, by id."""

    def __init__(self) -> None:
        self._lulls: dict[str, Lull] = {}

    def holds(
        self, account_id: str, standing: AccountStanding, quotes: Mapping[str, NewestPrice], now: datetime
    ) -> bool:
        lull = self._lulls.get(account_id)
        return lull is not None and lull.holds(standing, quotes, now)

    def note(self, account_id: str, lull: Lull) -> None:
        self._lulls[account_id] = lull

    def forget_others(self, accounts: Mapping[str, object]) -> None:
        """Those of accounts that are gone, when there are many."""
        if len(self._lulls) > 2 * len(accounts) + SPARE:
            self._lulls = {name: lull for name, lull in self._lulls.items() if name in accounts}


def quiet_beside(standing: AccountStanding, cause: Cause | None, now: datetime) -> tuple[datetime, tuple[Band, ...]]:
    """Until when, and between which prices, nothing but the interval and funding can fire, after a look that found
    nothing. `cause` is the executed stop or target that was looked at, if there was one.
    """
    account, asked, slot = standing.account, standing.asked, standing.slot
    until = FOREVER
    if cause is not None and (slot is None or cause.request_id not in known(slot)):
        pause = timedelta(seconds=account.min_seconds_between_decisions)
        turns = (cause.at, *((asked.at, asked.at + pause) if asked else ()))
        until = min((at for at in turns if at > now), default=FOREVER)
    if on_its_way(asked, slot, now) and asked is not None and asked.until is not None:
        return min(until, asked.until), ()
    return until, tuple(_bands(account, movable(account, slot)))


def _bands(account: Account, last: Taken | None) -> Iterator[Band]:
    if last is None or account.price_trigger_pct is None:
        return
    part = account.price_trigger_pct / 100
    for symbol in account.symbols:
        before = last.prices.get(symbol)
        if before is not None:
            yield symbol, before * (1 - part) * (1 + ROUNDING), before * (1 + part) * (1 - ROUNDING)
