"""A whole TradingContext, or the reason why there is none."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from libs.schemas import ids
from libs.schemas.account import Account, AccountState
from libs.schemas.analytics import Alert
from libs.schemas.context import AccountContext, ContextError, DecisionRequest, RequestOptions, TradingContext
from libs.schemas.market import MarketNote
from libs.schemas.memory import PastVerdict
from libs.schemas.reasons import ContextErrorCode, RejectReason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.verdict import DecisionRejected
from services.context.domain.account import account_section, risk
from services.context.domain.assets import Studies, read
from services.context.domain.market import MarketState
from services.context.domain.memory import of_account, positions_checked
from services.context.domain.triggers import ordered

ACCOUNT = "account"  # the scope of errors that are about no single asset
MAX_SYMBOLS = 10
TRADES_PER_SYMBOL = 20


@dataclass(frozen=True, slots=True)
class ContextRefusal:
    """Why no context can be built."""

    reason: RejectReason
    detail: str
    account_version: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a context is about: configuration, strategy, state and newest verdicts, all as known at build time."""

    account: Account
    strategy: TradingStrategy
    state: AccountState
    verdicts: tuple[PastVerdict, ...] = ()


def build(
    request: DecisionRequest, subject: Subject, market: MarketState, studies: Studies, now: datetime
) -> TradingContext | ContextRefusal:
    """The context that answers `request` at market time `now`; refused when no asset is fresh."""
    symbols, left_out = wanted_symbols(request, subject)
    timeframes = ordered(subject.strategy.timeframe_preference)
    held = {position.symbol for position in subject.state.positions}
    found = read(studies, market, symbols, held, timeframes, now)
    if not found.fresh:
        detail = "; ".join(f"{e.scope}: {e.message}" for e in found.errors[:5])
        return ContextRefusal(RejectReason.NO_MARKET, f"no asset is fresh: {detail}"[:4000], subject.state.version)
    section = _account_section(subject, marks(market, held))
    if isinstance(section, ContextRefusal):
        return section
    found.errors += _unseen(market, held.difference(symbols), now) + left_out
    return TradingContext(
        context_id=ids.context_id(request.account_id, request.cycle),
        correlation_id=request.request_id,
        account_id=request.account_id,
        account_version=subject.state.version,
        request=RequestOptions(
            request_id=request.request_id,
            model=request.model,
            force_refresh=request.force_refresh,
            dry_run=request.dry_run,
            strategy_override=request.strategy_override,
        ),
        degraded=tuple(found.degraded),
        cycle=request.cycle,
        trigger=request.trigger,
        symbols=symbols,
        timeframes=timeframes,
        market_data=found.section(now),
        account_state=positions_checked(section, subject.state, studies.columns, now),
        recent_trades={s: t[-TRADES_PER_SYMBOL:] for s, t in subject.state.recent_trades.items() if s in symbols},
        past_decisions=of_account(subject.state, subject.verdicts, symbols, studies.columns),
        risk_metrics=risk(section, {s: a.volatility for s, a in found.data.items()}, found.correlations),
        notes=_notes(market, symbols, now),
        timestamp=now,
        expires_at=request.expires_at,
        errors=tuple(found.errors),
        missing_symbols=tuple(found.absent),
    )


def wanted_symbols(request: DecisionRequest, subject: Subject) -> tuple[tuple[str, ...], list[ContextError]]:
    """The symbols that were asked for; else those that are held and the account's. And what there is no room for."""
    if request.symbols is not None:
        return tuple(dict.fromkeys(request.symbols)), []
    held = (position.symbol for position in subject.state.positions)
    every = tuple(dict.fromkeys((*held, *subject.account.symbols)))
    if len(every) <= MAX_SYMBOLS:
        return every, []
    message = f"{', '.join(every[MAX_SYMBOLS:])}: a context tells {MAX_SYMBOLS} symbols, those that are held first"
    left_out = ContextError(scope=ACCOUNT, code=ContextErrorCode.LEFT_OUT, message=message[:500])
    return every[:MAX_SYMBOLS], [left_out]


def marks(market: MarketState, held: Collection[str]) -> dict[str, float]:
    """Newest marks of what is held: a mark or index as new as the price, else the last price, else the last close."""
    known: dict[str, float] = {}
    for symbol in held:
        track = market.track(symbol)
        if track is not None:
            known[symbol] = track.value(market.bounds.max_tick_age)
        elif series := market.series(symbol, "1m"):
            known[symbol] = float(series.close[-1])
    return known


def _account_section(subject: Subject, prices: dict[str, float]) -> AccountContext | ContextRefusal:
    try:
        return account_section(subject.account, subject.state, subject.strategy, prices)
    except ValidationError as wrong:  # of one account, whose request must not come again and again
        fields = ", ".join(sorted({str(error["loc"][0]) for error in wrong.errors() if error["loc"]}))
        detail = f"{fields}: beyond what an account can be at the newest prices; check its positions and their ticks"
        return ContextRefusal(RejectReason.NO_STATE, detail, subject.state.version)


def _unseen(market: MarketState, symbols: Collection[str], now: datetime) -> list[ContextError]:
    """What is said of positions in assets that were not asked for, where their value is old."""
    errors = []
    for symbol in sorted(symbols):
        track = market.track(symbol)
        if not market.stale(symbol, now):
            continue
        code = ContextErrorCode.NO_TICK if track is None else ContextErrorCode.STALE
        value = (
            "no tick has come: it stands at its last close, or where it was entered"
            if track is None
            else f"it stands at a price that is {now.timestamp() - track.newest:.0f} s old"
        )
        errors.append(ContextError(scope=ACCOUNT, code=code, message=f"the position in {symbol}: {value}"))
    return errors


def rejected(request: DecisionRequest, refusal: ContextRefusal, now: datetime) -> DecisionRejected:
    context = ids.context_id(request.account_id, request.cycle)
    return DecisionRejected(
        decision_id=ids.decision_id(context, "live"),
        request_id=request.request_id,
        account_id=request.account_id,
        context_id=context,
        dry_run=request.dry_run,
        correlation_id=request.request_id,
        reason=refusal.reason,
        detail=refusal.detail,
        account_version=refusal.account_version,
        rejected_at=now,
        expires_at=request.expires_at,
    )


def alert(request: DecisionRequest, refusal: ContextRefusal, now: datetime) -> Alert:
    """Said when no asset of an account is fresh."""
    return Alert(
        alert_id=f"stale:{request.account_id}:{request.cycle}"[:160],
        account_id=request.account_id,
        kind="stale",
        severity="warning",
        message=refusal.detail,
        created_at=now,
    )


def _notes(market: MarketState, symbols: tuple[str, ...], now: datetime) -> tuple[MarketNote, ...]:
    return tuple(note for symbol in (None, *symbols) for note in market.notes(symbol, now))
