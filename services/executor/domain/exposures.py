"""What was held when: events count at their own time, however late they are told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.sides import sign
from services.executor.domain.book import ZERO, AccountBook, Exposure

KEEP = timedelta(hours=72)
MOST = 256
BOUNDARIES = 128


def seeded(book: AccountBook, symbol: str) -> AccountBook:
    """The book that knows since when it holds a symbol.

    A document of before says only when the position was opened and which boundary was paid last: what was before that
    boundary is settled.
    """
    holding = book.positions.get(symbol)
    if symbol in book.exposures or holding is None:
        return book
    paid = book.funded.get(symbol)
    since = holding.position.opened_at if paid is None else max(holding.position.opened_at, paid)
    held = Exposure(since, sign(holding.position.side) * holding.position.quantity)
    settled = book.settled if paid is None else {**book.settled, symbol: (paid,)}
    return replace(book, exposures={**book.exposures, symbol: (held,)}, settled=settled)


def noted(book: AccountBook, symbol: str, at: datetime, change: Decimal) -> AccountBook:
    """The book that holds `change` more (negative: less) of a symbol from `at` on, in which order ever it is told."""
    known = seeded(book, symbol).exposures.get(symbol, ())
    before = tuple(e for e in known if e.at < at)
    after = tuple(replace(e, quantity=e.quantity + change) for e in known if e.at >= at)
    if not after or after[0].at != at:
        after = (Exposure(at, (before[-1].quantity if before else ZERO) + change), *after)
    return replace(book, exposures={**book.exposures, symbol: _recent((*before, *after))})


def _recent(known: Sequence[Exposure]) -> tuple[Exposure, ...]:
    """The last days, and what was held when they began."""
    oldest = known[-1].at - KEEP
    first = max((n for n, e in enumerate(known) if e.at <= oldest), default=0)
    return tuple(known[first:][-MOST:])


def held_at(book: AccountBook, symbol: str, at: datetime) -> Decimal:
    """What was held at a time, what was traded at that very moment included; 0 where it is too long ago to know."""
    known = book.exposures.get(symbol, ())
    return next((e.quantity for e in reversed(known) if e.at <= at), ZERO)


def changed_at(book: AccountBook, symbol: str) -> datetime | None:
    """When what is held of a symbol changed last, as far as that is known."""
    known = book.exposures.get(symbol)
    return known[-1].at if known else None


def forgotten(book: AccountBook, before: datetime) -> AccountBook:
    """The book without symbols that it has not held since `before`."""
    gone = [s for s, known in book.exposures.items() if s not in book.positions and known[-1].at < before]
    if not gone:
        return book
    return replace(book, exposures={s: known for s, known in book.exposures.items() if s not in gone})


def told(book: AccountBook, symbol: str, boundary: datetime) -> AccountBook:
    """The book that will not pay this boundary again."""
    known = sorted({*book.settled.get(symbol, ()), boundary})[-BOUNDARIES:]
    return replace(book, settled={**book.settled, symbol: tuple(known)})


def is_told(book: AccountBook, symbol: str, boundary: datetime) -> bool:
    """Whether a boundary was told, or is older than all that are remembered."""
    known = book.settled.get(symbol, ())
    return boundary in known or (len(known) == BOUNDARIES and boundary < known[0])
