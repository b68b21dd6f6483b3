"""The UTC day in market time: it ends by whatever is heard first of the next one, and money counts in its own day."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.schemas.account import TradingDay
from services.executor.domain.book import ZERO, AccountBook, cents, day_start, equity
from services.executor.domain.changes import Turn
from services.executor.domain.exposures import forgotten
from services.executor.domain.quote import Market
from services.executor.domain.trading import after_rollover, set_state

WHO = "executor"
DAY = timedelta(days=1)


def rolled(book: AccountBook, market: Market, now: datetime) -> AccountBook:
    """The book in the UTC day of `now`, which opens with the equity at its midnight: at the last marks before it."""
    start = day_start(now)
    if start <= book.day.start:
        return book
    marks = {symbol: market.mark_at(symbol, start) for symbol in book.positions}
    day = TradingDay(start=start, open_equity=equity(book, marks))
    return replace(forgotten(book, start - DAY), day=day)


def begun(turn: Turn, market: Market, now: datetime) -> Turn:
    """The turn in the day of `now`. A new one ends what the last one's losses began."""
    book = rolled(turn.book, market, now)
    if book is turn.book:
        return turn
    turn = replace(turn, book=book)
    state = after_rollover(book.trading_state, book.moved_by)
    if state == book.trading_state:
        return turn
    return set_state(turn, state, who=WHO, why="a new UTC day has begun")


def begun_anew(turn: Turn, now: datetime, worth: Decimal) -> Turn:
    """The turn in the day of `now` where the account's is a later one: it was opened before the market's clock was set,
    or another market has begun. Its losses of today count from here on."""
    if turn.book.day.start <= now:
        return turn
    return replace(turn, book=replace(turn.book, day=TradingDay(start=day_start(now), open_equity=worth)))


def traded_on(book: AccountBook, at: datetime, earned: Decimal, at_midnight: Decimal) -> TradingDay:
    """The day after a trade at `at` that earned so much. One of before the day's midnight changes what the day opened
    with instead: by what the equity of that moment would have been `at_midnight` more, had it been known."""
    if at >= book.day.start:
        return book.day.model_copy(update={"realised": book.day.realised + earned})
    return book.day.model_copy(update={"open_equity": cents(book.day.open_equity + at_midnight)})


def paid_on(book: AccountBook, at: datetime, amount: Decimal) -> TradingDay:
    """The day after money that came or went at `at`."""
    return traded_on(book, at, amount, amount)


def worth_at_midnight(market: Market, symbol: str, start: datetime, bought: Decimal, price: Decimal) -> Decimal:
    """What a trade of before midnight was worth then: `bought` base units (negative: sold) at the mark of that time."""
    mark = market.mark_at(symbol, start)
    return bought * (mark - price) if mark is not None else ZERO
