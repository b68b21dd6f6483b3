"""What time and the newest marks do to an account without any message: in market time, by itself."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from libs.schemas.analytics import AlertKind
from libs.schemas.reasons import OrderReason
from services.executor.domain import paper
from services.executor.domain.book import PROTECTION_GRACE, AccountBook, Holding, equity
from services.executor.domain.changes import AlertChange, StateChange, Turn
from services.executor.domain.control import without_entries
from services.executor.domain.days import WHO, begun, begun_anew
from services.executor.domain.liquidation import closing_order
from services.executor.domain.performance import marked
from services.executor.domain.protection import guarded
from services.executor.domain.quote import Market
from services.executor.domain.trading import Move, MoveCause, TradingBounds, Vitals, automatic

ERROR_WINDOW = timedelta(seconds=60)
ALERTS: dict[MoveCause, AlertKind] = {
    MoveCause.DAILY_LOSS: "risk_limit_exceeded",
    MoveCause.DRAWDOWN: "drawdown_limit",
    MoveCause.VENUE_ERRORS: "venue",
}


def tended(turn: Turn, market: Market, bounds: TradingBounds) -> Turn:
    """Expiries, positions held too long or without a stop, the day's end, and the moves of the trading state."""
    now = market.now
    turn = begun_anew(turn, now, _equity(turn.book, market))
    turn = paper.expire(begun(turn, market, now), market, now)
    turn = replace(turn, book=deepened(turn.book, market))
    for symbol in tuple(turn.book.positions):
        turn = _overdue(replace(turn, book=guarded(turn.book, symbol, now)), symbol, market)
    due = move_due(turn.book, market, bounds)
    return turn if due is None else _moved(turn, due, now)


def ailing(book: AccountBook, market: Market, bounds: TradingBounds) -> bool:
    """Whether `tended` has something to do besides what is due by the clock: also a stop that nobody saw go."""
    bare = any(guarded(book, symbol, market.now) is not book for symbol in book.positions)
    return bare or deepened(book, market) is not book or move_due(book, market, bounds) is not None


def deepened(book: AccountBook, market: Market) -> AccountBook:
    """The book whose drawdown counts open losses, as they are at the newest marks."""
    if not book.positions:
        return book
    seen = marked(book.performance, book.peak, _equity(book, market))
    return book if seen is book.performance else replace(book, performance=seen)


def move_due(book: AccountBook, market: Market, bounds: TradingBounds) -> Move | None:
    """The move of the trading state that the account's equity and the venue's errors ask for."""
    vitals = Vitals(
        equity=_equity(book, market),
        day_open=book.day.open_equity,
        transfers=book.day.transfers,
        peak=book.peak,
        venue_errors=sum(1 for at in book.venue_errors if market.now - at <= ERROR_WINDOW),
    )
    return automatic(book.trading_state, vitals, bounds)


def _equity(book: AccountBook, market: Market) -> Decimal:
    return equity(book, {symbol: market.mark(symbol) for symbol in book.positions})


def _overdue(turn: Turn, symbol: str, market: Market) -> Turn:
    """Close at market what has been held long enough, and what has no stop of its full size within the grace."""
    holding = turn.book.positions[symbol]
    if any(o.intent.leg == "flatten" for o in turn.book.of(symbol)):
        return turn
    if holding.bare_since is not None and market.now - holding.bare_since >= PROTECTION_GRACE:
        bare_s = (market.now - holding.bare_since).total_seconds()
        alert = AlertChange(  # a venue that refuses this too is asked again and again: one alert a minute
            kind="protection",
            severity="critical",
            message=f"{symbol} had no stop of its full size for {PROTECTION_GRACE.seconds} s and is closed at market",
            threshold=float(PROTECTION_GRACE.seconds),
            value=bare_s,
            name=f"bare:{symbol}:{holding.bare_since:%Y%m%dT%H%M%S}:{bare_s // 60:.0f}",
        )
        return _flattened(turn.then(turn.book, alert), holding, OrderReason.UNPROTECTED, market)
    if holding.hold_until is not None and holding.hold_until <= market.now:
        return _flattened(turn, holding, OrderReason.MAX_HOLD, market)
    return turn


def _flattened(turn: Turn, holding: Holding, cause: OrderReason, market: Market) -> Turn:
    origin = f"{cause.value}:{holding.position.symbol}:{turn.book.version}"
    order = closing_order(turn.book, holding, origin, market.now, created=market.now)
    return paper.submit(turn, replace(order, cause=cause), market)


def _moved(turn: Turn, move: Move, now: datetime) -> Turn:
    before = turn.book.trading_state
    book = replace(turn.book, trading_state=move.state, moved_by=move.cause.value)
    alert = AlertChange(
        kind=ALERTS[move.cause],
        severity="critical" if move.state == "halted" else "warning",
        message=f"trading is {move.state}: {move.why}",
        threshold=_figure(move.threshold),
        value=_figure(move.value),
    )
    ends: Literal["day", "person"] = "day" if move.cause is MoveCause.DAILY_LOSS else "person"
    turn = turn.then(book, StateChange(before, move.state, WHO, move.why, ends), alert)
    return without_entries(turn, now)


def _figure(value: Decimal) -> float:
    return round(float(value), 4)
