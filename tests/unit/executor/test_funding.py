"""Funding: who pays, how much, and only once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

from libs.schemas.market import FundingUpdate
from services.executor.domain.book import AccountBook, Holding
from services.executor.domain.changes import Turn
from services.executor.domain.liquidation import fund
from tests import builders
from tests.fakes.executor_values import NOW, SYMBOL, book, market, quote

BOUNDARY = NOW + timedelta(hours=4)


def holding(side: str, margin: D = D(6_000)) -> AccountBook:
    position = builders.position(
        side=side, quantity=D("0.5"), entry_price=D(60_000), leverage=D(5), margin=margin, opened_at=NOW
    )
    return replace(book(), positions={SYMBOL: Holding(position, "cor-1", entered=D("0.5"))})


def update(rate: float = 0.0001, *, hours: int = 4) -> FundingUpdate:
    return FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(hours=hours), rate=rate, mark_price=61_234.5)


def test_a_long_pays_a_positive_rate_and_a_short_receives_it() -> None:
    paid = fund(Turn(holding("long")), update(), market())
    got = fund(Turn(holding("short")), update(), market())
    assert paid.book.wallet == D(10_000) - D("3.061725")
    assert got.book.wallet == D(10_000) + D("3.061725")
    assert paid.book.funding_total == D("-3.061725")


def test_a_boundary_is_paid_once() -> None:
    once = fund(Turn(holding("long")), update(), market())
    assert fund(Turn(once.book), update(), market()).book is once.book
    assert fund(Turn(once.book), update(hours=12), market()).book.wallet < once.book.wallet


def test_a_position_opened_after_the_boundary_pays_nothing() -> None:
    held = holding("long")
    assert fund(Turn(held), update(hours=-1), market()).book is held


def test_what_is_not_free_is_taken_from_the_margin() -> None:
    after = fund(Turn(holding("long", margin=D(9_999))), update(), market(quote(60_000))).book
    position = after.positions[SYMBOL].position
    assert position.margin == D(9_999) - D("2.061725")
    assert after.wallet - position.margin == 0
