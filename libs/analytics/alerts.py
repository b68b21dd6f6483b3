"""What in the figures a person should look at. Ids derive from what is complained of: said again, it is one alert."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from libs.analytics.performance import max_drawdown
from libs.analytics.trades import Trade, in_order
from libs.schemas.account import ControlRequested
from libs.schemas.analytics import Alert, AlertKind
from libs.schemas.dead import DeadLetter
from libs.schemas.notices import Severity
from libs.schemas.subjects import AUDIT, EXECUTION, MARKET, NOTICES

MIN_TRADES = 10
MIN_WIN_RATE = 30.0
MAX_STREAK = 5
MAX_ABSTAIN_SHARE = 0.20
MIN_ENDED = 5  # one abstention of two decisions is no storm
STORM_SHARE = 0.50
MIN_STORM = 10
HOUR = timedelta(hours=1)
UNTOLD = frozenset({AUDIT.name, NOTICES.name})


@dataclass(frozen=True, slots=True)
class Watched:
    """Whose trades are looked at. `max_drawdown_pct` is the limit, `opening_equity` what the first trade began with."""

    account_id: str
    strategy_id: str | None
    opening_equity: Decimal
    max_drawdown_pct: float


@dataclass(frozen=True, slots=True)
class Crossed:
    """A limit, and the figure that is beyond it."""

    threshold: float
    value: float


def of_trades(watched: Watched, trades: Sequence[Trade], now: datetime) -> tuple[Alert, ...]:
    """Alerts about the closed trades of one account with one strategy, whatever their order."""
    closed = in_order(trades)
    found = (_win_rate(watched, closed, now), _streak(watched, closed, now), _drawdown(watched, closed, now))
    return tuple(alert for alert in found if alert is not None)


def losing_streak(closed: Sequence[Trade]) -> tuple[Trade, ...]:
    """The losses at the end, in their order; a trade that ends at 0 or above ends a streak."""
    streak: list[Trade] = []
    for trade in reversed(closed):
        if trade.pnl >= 0:
            break
        streak.append(trade)
    return tuple(reversed(streak))


def of_abstentions(account_id: str, abstained: int, ended: int, now: datetime) -> Alert | None:
    """About the decisions of one account that ended within the hour before `now`; once for each hour."""
    if ended < MIN_ENDED or abstained / ended <= MAX_ABSTAIN_SHARE:
        return None
    hour = now.replace(minute=0, second=0, microsecond=0)
    message = f"{abstained} of {ended} decisions of the last hour were abstentions; see the decider's health"
    return Alert(
        alert_id=_id("abstain_rate", account_id, hour.isoformat()),
        account_id=account_id,
        kind="abstain_rate",
        severity="warning",
        message=message,
        threshold=MAX_ABSTAIN_SHARE * 100,
        value=100 * abstained / ended,
        created_at=now,
    )


def of_dead_letter(letter: DeadLetter) -> Alert | None:
    """Once for each durable and hour, by the letter's time. None about what tells of alerts itself: that would be told
    by the same way, and fail, without end."""
    if letter.stream in UNTOLD:
        return None
    hour = letter.at.replace(minute=0, second=0, microsecond=0)
    kept = f"{letter.durable} gave a message of {letter.stream} up ({letter.error.code}): {letter.error.message}"
    return Alert(
        alert_id=_id("dead_letter", letter.durable, hour.isoformat()),
        kind="dead_letter",
        severity=_gravity(letter),
        message=f"{kept[:400]}; see `perpetua dead list`",
        created_at=letter.at,
    )


def _gravity(letter: DeadLetter) -> Severity:
    """What an executor did not do may be missing at the venue; a bad tick is its publisher's."""
    if letter.stream == EXECUTION.name:
        return "critical"
    return "info" if letter.stream == MARKET.name else "warning"


def storm_of(account_id: str, abstained: int, ended: int, now: datetime) -> ControlRequested | None:
    """What stops an account whose model has fallen silent from opening more; once for each hour, so that a person who
    lets it trade again is not overruled by the same hour."""
    if ended < MIN_STORM or abstained / ended < STORM_SHARE:
        return None
    hour = now.replace(minute=0, second=0, microsecond=0)
    return ControlRequested(
        control_id=_id("abstain_storm", account_id, hour.isoformat()),
        scope=account_id,
        state="reducing",
        reason=f"{abstained} of {ended} decisions of the last hour were abstentions; set it active when models answer",
        by="abstentions",
        requested_at=now,
        automatic=True,
    )


def _win_rate(watched: Watched, closed: Sequence[Trade], now: datetime) -> Alert | None:
    rate = 100 * sum(trade.pnl > 0 for trade in closed) / len(closed) if closed else 0.0
    if len(closed) < MIN_TRADES or rate >= MIN_WIN_RATE:
        return None
    message = f"{rate:.0f} % of the last {len(closed)} trades won; the strategy may not suit this market"
    return _alert(watched, "performance_degradation", message, Crossed(MIN_WIN_RATE, rate), now, now.date().isoformat())


def _streak(watched: Watched, closed: Sequence[Trade], now: datetime) -> Alert | None:
    streak = losing_streak(closed)
    if len(streak) < MAX_STREAK:
        return None
    lost = sum((trade.pnl for trade in streak), Decimal(0))
    message = f"{len(streak)} losses in a row, together {lost:.2f}; look at them before it goes on"
    return _alert(
        watched,
        "consecutive_losses",
        message,
        Crossed(MAX_STREAK, float(len(streak))),
        now,
        streak[MAX_STREAK - 1].trade_id,
    )


def _drawdown(watched: Watched, closed: Sequence[Trade], now: datetime) -> Alert | None:
    fall, percent = max_drawdown([trade.pnl for trade in closed], watched.opening_equity)
    if percent <= watched.max_drawdown_pct:
        return None
    message = f"fell {fall:.2f} ({percent:.1f} %) from its peak; the limit is {watched.max_drawdown_pct:g} %"
    day = now.date().isoformat()
    return _alert(watched, "drawdown_limit", message, Crossed(watched.max_drawdown_pct, percent), now, day)


def _alert(watched: Watched, kind: AlertKind, message: str, crossed: Crossed, now: datetime, about: str) -> Alert:
    return Alert(
        alert_id=_id(kind, watched.account_id, watched.strategy_id or "", about),
        strategy_id=watched.strategy_id,
        account_id=watched.account_id,
        kind=kind,
        severity="warning",
        message=message,
        threshold=crossed.threshold,
        value=crossed.value,
        created_at=now,
    )


def _id(*parts: str) -> str:
    return f"alert-{hashlib.sha256(chr(31).join(parts).encode()).hexdigest()[:32]}"
