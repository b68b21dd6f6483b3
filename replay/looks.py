"""When something can be due of an account: never later than it is, so that looking at these moments is enough.

What is due there `services.context.application.cycles.due_now` says.
"""

from datetime import datetime, timedelta

from libs.schemas import ids
from libs.schemas.account import Account, AccountState
from libs.schemas.inflight import InFlight
from libs.schemas.kv_keys import inflight_key
from libs.schemas.strategy import TradingStrategy
from replay.memory import MemoryPlaces, MemoryPositions, MemoryRequests, MemoryStates
from replay.tape import NEVER
from replay.world import ReplayWorld
from services.context.domain import causes
from services.context.domain.inflight import newest
from services.context.domain.triggers import AFTER_CLOSE_S, Asked, boundary, interval, max_age, ordered, spread

ROUNDING = 1e-9


class Looks:
    """Of one account."""

    def __init__(self, account: Account, strategy: TradingStrategy, world: ReplayWorld, share: float) -> None:
        self._account = account
        self._world = world
        self._timeframe = ordered(strategy.timeframe_preference)[0]
        after = AFTER_CLOSE_S + spread(account.account_id, self._timeframe, share)
        self._after = timedelta(seconds=after)
        self._pause = timedelta(seconds=account.min_seconds_between_decisions)
        self._patience = timedelta(seconds=max_age(self._timeframe))
        self._key = inflight_key(account.account_id, dry_run=False)

    def first(self) -> int:
        return self._world.grid.first

    def next(
        self,
        moment: int,
        requests: MemoryRequests,
        places: MemoryPlaces,
        positions: MemoryPositions,
        states: MemoryStates,
    ) -> int:
        """The first moment after `moment` to look at."""
        if self._account.status != "active":
            return NEVER
        name, now = self._account.account_id, self._world.grid.at(moment)
        place, asked = places.seen(self._key), requests.of(name)
        slot = place.slot if place else None
        if self._unanswered(causes.executed(self._account, positions.executed(name), slot), asked, now):
            return moment + 1
        return min(
            self._interval(moment, now, asked),
            self._moved(moment, slot),
            self._funding(moment, now, slot, states.get(name)),
        )

    def _unanswered(self, cause: causes.Cause | None, asked: Asked | None, now: datetime) -> bool:
        if cause is None or (asked is not None and asked.latest == cause.request_id):
            return False
        return now - cause.at <= self._patience + self._pause

    def _interval(self, moment: int, now: datetime, asked: Asked | None) -> int:
        """The next closed candle, or the next moment while one that closed is waited for."""
        grid, closed = self._world.grid, boundary(self._timeframe, now)
        following = grid.from_on(closed + interval(self._timeframe) + self._after)
        if asked is not None and asked.cycle == ids.interval_cycle(self._timeframe, closed):
            return following
        allowed = closed
        if self._pause and asked is not None and asked.at - closed <= self._patience:
            allowed = max(closed, asked.at + self._pause)
        if now - allowed > self._patience:
            return following
        return min(following, max(moment + 1, grid.from_on(max(allowed, closed + self._after))))

    def _moved(self, moment: int, slot: InFlight | None) -> int:
        """The next moment at which a price is beyond the account's threshold."""
        limit, last = self._account.price_trigger_pct, newest(slot)
        if limit is None or last is None:
            return NEVER
        share = limit / 100 * (1 - ROUNDING)
        found = NEVER
        for symbol in self._account.symbols:
            before, tape = last.prices.get(symbol), self._world.tapes.get(symbol)
            if before is not None and tape is not None:
                found = min(found, tape.crosses(before * (1 - share), before * (1 + share), moment))
        return found

    def _funding(self, moment: int, now: datetime, slot: InFlight | None, state: AccountState | None) -> int:
        near, last, found = self._account.funding_near_min, newest(slot), NEVER
        if not near or state is None:
            return NEVER
        for position in state.positions:
            due = self._world.state.next_funding(position.symbol)
            if due is None:
                continue
            since = max(due - timedelta(minutes=near), position.opened_at)
            if now < since:
                found = min(found, self._world.grid.from_on(since))
            elif now < due and (last is None or last.taken_at < since):
                found = min(found, moment + 1)
        return found
