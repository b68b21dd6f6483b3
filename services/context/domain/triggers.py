"""When an account's trigger fires: pure functions of market time and past requests."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from libs.schemas import ids
from libs.schemas.account import Account
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight
from libs.schemas.strategy import TradingStrategy
from services.context.domain.causes import Cause
from services.context.domain.causes import request as request_of
from services.context.domain.inflight import known

AFTER_CLOSE_S = 2.0
MAX_AGE_S = 60.0
PATIENCE = 0.5  # of the greatest age: then a symbol whose candle does not come is not waited for any more

Closed = Callable[[str, Timeframe, int], bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest interval cycle of an account, and the time (market) of its newest request of any kind.

    `latest` is the id of that request, `until` its expiry, `sequence` its place in the log (of dry runs too).
    """

    cycle: str | None
    at: datetime
    latest: str | None = None
    until: datetime | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """An interval trigger that fires: the candle that closed, and from when it was meant to fire."""

    account_id: str
    timeframe: Timeframe
    close_time: datetime
    planned: datetime

    @property
    def cycle(self) -> str:
        return ids.interval_cycle(self.timeframe, self.close_time)


def noted(before: Asked | None, body: DecisionRequest, sequence: int, now: datetime) -> Asked:
    """What was asked of an account, with one request more, at `sequence` of the log. Dry runs are not noted."""
    cycle = body.cycle if body.trigger.kind == "interval" else None
    at = min(body.requested_at, now)  # a client's clock must not silence an account
    if before is None:
        return Asked(cycle, at, body.request_id, body.expires_at, sequence)
    later = sequence >= before.sequence
    return Asked(
        (cycle or before.cycle) if later else (before.cycle or cycle),
        max(at, before.at),
        body.request_id if later else before.latest,
        body.expires_at if later else before.until,
        max(sequence, before.sequence),
    )


def ordered(timeframes: Iterable[Timeframe]) -> tuple[Timeframe, ...]:
    """Shortest first."""
    return tuple(sorted(timeframes, key=TIMEFRAME_SECONDS.__getitem__))


def boundary(timeframe: Timeframe, now: datetime) -> datetime:
    """Close time of the newest candle that has ended by `now`; candles are aligned to the epoch."""
    step = TIMEFRAME_SECONDS[timeframe]
    return datetime.fromtimestamp(int(now.timestamp()) // step * step, UTC)


def max_age(timeframe: Timeframe) -> float:
    """Seconds after which a cycle never fires: min(interval ÷ 2, 60 s)."""
    return min(TIMEFRAME_SECONDS[timeframe] / 2, MAX_AGE_S)


def spread(account_id: str, timeframe: Timeframe, share: float) -> float:
    """Seconds by which an account's triggers come later than others': a hash of it over `share` of the interval, and
    over no more than a third of the greatest age."""
    width = min(TIMEFRAME_SECONDS[timeframe] * share, max_age(timeframe) / 3)
    part = int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:4]) / 2**32
    return part * width


def due(
    account: Account,
    strategy: TradingStrategy,
    asked: Asked | None,
    closed: Closed,
    now: datetime,
    share: float = 0.0,
) -> Due | None:
    """The account's trigger that fires at `now`, if one does.

    `closed(symbol, timeframe, close_time)` is true as well for a symbol that is stale. Inside
    `min_seconds_between_decisions` a trigger is deferred; a newer cycle then takes its place.
    """
    if account.status != "active":
        return None
    timeframe = ordered(strategy.timeframe_preference)[0]
    close_time = boundary(timeframe, now)
    if _was_asked(asked, timeframe, close_time):
        return None
    allowed, planned = _planned(account, asked, timeframe, close_time, now, share)
    if now < planned or now - allowed > timedelta(seconds=max_age(timeframe)):
        return None
    patient = now < planned + timedelta(seconds=max_age(timeframe) * PATIENCE)
    if patient and not all(closed(s, timeframe, int(close_time.timestamp())) for s in account.symbols):
        return None
    return Due(account.account_id, timeframe, close_time, planned)


def quiet_until(
    account: Account, strategy: TradingStrategy, asked: Asked | None, now: datetime, share: float = 0.0
) -> datetime:
    """Before this time `due` gives nothing, whatever candles close; `now` where a candle is all that it waits for."""
    timeframe = ordered(strategy.timeframe_preference)[0]
    close_time = boundary(timeframe, now)
    after_next = close_time + interval(timeframe) + _after_close(account, timeframe, share)
    ends = [after_next]
    if asked is not None and asked.at > now:  # the market's clock was set back
        ends.append(asked.at)
    if not _was_asked(asked, timeframe, close_time):
        allowed, planned = _planned(account, asked, timeframe, close_time, now, share)
        if now < planned:
            ends.append(planned)
        elif now - allowed <= timedelta(seconds=max_age(timeframe)):
            return now
    return min(ends)


def _was_asked(asked: Asked | None, timeframe: Timeframe, close_time: datetime) -> bool:
    return asked is not None and asked.cycle == ids.interval_cycle(timeframe, close_time)


def _planned(
    account: Account, asked: Asked | None, timeframe: Timeframe, close_time: datetime, now: datetime, share: float
) -> tuple[datetime, datetime]:
    """From when on a cycle may fire, and when it is meant to."""
    allowed, pause = close_time, timedelta(seconds=account.min_seconds_between_decisions)
    if pause and asked is not None and _defers(asked.at, close_time, timeframe, now):
        allowed = max(close_time, asked.at + pause)
    return allowed, max(allowed, close_time + _after_close(account, timeframe, share))


def _after_close(account: Account, timeframe: Timeframe, share: float) -> timedelta:
    return timedelta(seconds=AFTER_CLOSE_S + spread(account.account_id, timeframe, share))


def _defers(asked_at: datetime, close_time: datetime, timeframe: Timeframe, now: datetime) -> bool:
    """Whether a request stands in a cycle's way. One that came when the cycle was too old already revives nothing, and
    market time may begin anew in the past, by another feed."""
    return asked_at <= now and asked_at - close_time <= timedelta(seconds=max_age(timeframe))


def request(fired: Due) -> DecisionRequest:
    """The request that the trigger is published as; every replica makes the same one."""
    return request_of(cause_of(fired), fired.planned, fired.close_time + interval(fired.timeframe))


def cause_of(fired: Due) -> Cause:
    return Cause(
        fired.account_id,
        "interval",
        fired.cycle,
        f"{fired.timeframe} closed at {fired.close_time.isoformat()}",
        fired.close_time,
        fired.close_time,
    )


def interval(timeframe: Timeframe) -> timedelta:
    return timedelta(seconds=TIMEFRAME_SECONDS[timeframe])


def fires(cause: Cause, account: Account, timeframe: Timeframe, asked: Asked | None, now: datetime) -> datetime | None:
    """When the cause was meant to fire, if it does now: at once, or at the end of the pause between decisions.

    One that was not fired for `max_age` since it could have been never fires.
    """
    if account.status != "active" or (asked is not None and asked.latest == cause.request_id):
        return None
    allowed, pause = cause.at, timedelta(seconds=account.min_seconds_between_decisions)
    if pause and asked is not None and asked.at <= now:
        allowed = max(cause.at, asked.at + pause)
    if now < allowed or now - allowed > timedelta(seconds=max_age(timeframe)):
        return None
    return allowed


def on_its_way(asked: Asked | None, slot: InFlight | None, now: datetime) -> bool:
    """Whether a request is published that has no place yet: its context will be made from the newest facts."""
    if asked is None or asked.latest is None or asked.until is None or now >= asked.until:
        return False
    return slot is None or asked.latest not in known(slot)


def timeframes_in_use(
    accounts: Mapping[str, Account], strategies: Mapping[str, TradingStrategy]
) -> frozenset[Timeframe]:
    """Timeframes of the strategies that accounts are assigned."""
    used = (strategies.get(a.strategy_id) for a in accounts.values())
    return frozenset(tf for s in used if s is not None for tf in s.timeframe_preference)
