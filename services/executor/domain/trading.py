"""The state of trading: what moves an account to reducing or halted by itself, and what lets it trade again."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from libs.schemas.account import TradingState
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import StateChange, Turn

HUNDRED = Decimal(100)
STRICTNESS: dict[TradingState, int] = {"active": 0, "reducing": 1, "halted": 2}


class MoveCause(StrEnum):
    """What moved a state. A person's move has none."""

    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    VENUE_ERRORS = "venue_errors"


@dataclass(frozen=True, slots=True)
class TradingBounds:
    """Percentages of the day's opening equity and of the highest wallet; None bounds nothing.

    So many `venue_errors` within the window move too. An abstain storm comes as a control (docs/decisions/0026).
    """

    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    venue_errors: int = 5


@dataclass(frozen=True, slots=True)
class Vitals:
    """The account now. Money in quote currency; `transfers` of today; counts within their windows."""

    equity: Decimal
    day_open: Decimal
    transfers: Decimal
    peak: Decimal
    venue_errors: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """A state to go to, and why; `threshold` and `value` in percent or as counts."""

    state: TradingState
    cause: MoveCause
    why: str
    threshold: Decimal
    value: Decimal


def automatic(state: TradingState, vitals: Vitals, bounds: TradingBounds) -> Move | None:
    """The strictest move that is due. It never loosens: what is halted stays so."""
    due = [m for m in (_drawdown(vitals, bounds), _loss(vitals, bounds), _errors(vitals, bounds)) if m]
    stricter = [move for move in due if STRICTNESS[move.state] > STRICTNESS[state]]
    return max(stricter, key=lambda move: STRICTNESS[move.state], default=None)


def after_rollover(state: TradingState, moved_by: str) -> TradingState:
    """A new UTC day ends what the daily loss began. Everything else waits for a person."""
    return "active" if state == "reducing" and moved_by == MoveCause.DAILY_LOSS else state


def set_state(turn: Turn, state: TradingState, *, who: str, why: str) -> Turn:
    """A person's move, or the end of one that the account made by itself: it is remembered as nobody's."""
    before = turn.book.trading_state
    book = replace(turn.book, trading_state=state, moved_by="")
    if before == state:
        return turn if turn.book.moved_by == "" else replace(turn, book=_taken_over(book, who, why))
    return turn.then(book, StateChange(before, state, who, why))


def _taken_over(book: AccountBook, who: str, why: str) -> AccountBook:
    """What the account began by itself is a person's from here on: it no longer ends by itself."""
    if book.standing is None:
        return book
    return replace(book, standing=book.standing.model_copy(update={"by": who, "why": why, "ends": "person"}))


def _loss(vitals: Vitals, bounds: TradingBounds) -> Move | None:
    """equity − equity at 00:00 UTC − transfers ≤ −max_daily_loss %, as the rule of the same name."""
    if bounds.max_daily_loss is None or vitals.day_open <= 0:
        return None
    lost = -(vitals.equity - vitals.day_open - vitals.transfers) / vitals.day_open * HUNDRED
    if lost < bounds.max_daily_loss:
        return None
    why = f"{lost:.2f} % of the day's opening equity are lost, {bounds.max_daily_loss:f} % are allowed"
    return Move("reducing", MoveCause.DAILY_LOSS, why, bounds.max_daily_loss, lost)


def _drawdown(vitals: Vitals, bounds: TradingBounds) -> Move | None:
    if bounds.max_drawdown is None or vitals.peak <= 0:
        return None
    fallen = (vitals.peak - vitals.equity) / vitals.peak * HUNDRED
    if fallen < bounds.max_drawdown:
        return None
    why = f"equity is {fallen:.2f} % below its peak, {bounds.max_drawdown:f} % are allowed"
    return Move("halted", MoveCause.DRAWDOWN, why, bounds.max_drawdown, fallen)


def _errors(vitals: Vitals, bounds: TradingBounds) -> Move | None:
    if vitals.venue_errors < bounds.venue_errors:
        return None
    why = f"the venue failed {vitals.venue_errors} times within a minute"
    return Move("reducing", MoveCause.VENUE_ERRORS, why, Decimal(bounds.venue_errors), Decimal(vitals.venue_errors))
