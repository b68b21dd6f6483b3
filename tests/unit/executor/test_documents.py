"""A book survives its document, and a write carries only what changed."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from libs.schemas.market import FundingUpdate
from services.executor.adapters.documents import book_of, changed, document, outbox_entry, outgoing
from services.executor.domain import paper
from services.executor.domain.changes import Turn, seal
from services.executor.domain.liquidation import fund
from tests.fakes.executor_values import (
    NOW,
    SYMBOL,
    book,
    closing_instruction,
    instruction,
    market,
    quote,
    validated,
    working,
)
from tests.unit.executor.paper import submitted, ticked

OLD = Path(__file__).with_name("account_of_november.json")


def traded() -> Turn:
    """A position that was opened and stopped out, and another one that is open."""
    turn = Turn(book())
    for n, price in enumerate((50_000, 48_500, 50_000)):
        at = quote(price, seconds=n, sequence=n)
        turn = paper.on_tick(turn, at, market(at, seconds=n))
        for order in working(validated(instruction(), decision=f"dec-{n}"), turn.book) if price == 50_000 else ():
            turn = paper.submit(turn, order, market(at, seconds=n))
    return turn


def test_a_book_is_the_same_after_a_round_trip() -> None:
    made = traded().book
    assert made.closed_trades
    assert made.positions
    assert book_of(document(made, 7)) == made


def test_a_document_of_an_older_version_takes_the_defaults() -> None:
    found = document(book(), 1)
    del found["insolvency"], found["market_created"]
    assert book_of(found) == book()


def test_a_write_carries_only_what_changed() -> None:
    before = traded().book
    after = replace(before, wallet=before.wallet - D(1), version=before.version + 1)
    assert set(changed(before, after)) == {"wallet", "version", "market_sequence", "market_created"}


def test_events_survive_the_outbox() -> None:
    _, events = seal(traded(), NOW)
    assert len(events) > 5
    assert tuple(outgoing(outbox_entry(event)) for event in events) == events


def november() -> dict[str, Any]:
    """A document as a commit of November 2026 stored it: a long of 0.3 at 50 012.4 on average, and a resting entry."""
    found: dict[str, Any] = json.loads(OLD.read_text())
    return found


def test_a_document_of_november_is_read_and_goes_on_to_the_last_digit() -> None:
    old = book_of(november())
    holding = old.positions[SYMBOL]
    assert (holding.cost, holding.spent) == (None, D("0.3") * D("50012.4"))
    assert (old.exposures, old.settled) == ({}, {})
    free: dict[str, Any] = {"half_spread_bps": D(0), "slippage_bps": D(0), "taker_fee_bps": D(0), "maker_fee_bps": D(0)}
    filled = ticked(Turn(old), quote(49_899, seconds=40), **free).book
    assert filled.positions[SYMBOL].spent == D("0.3") * D("50012.4") + D("0.1") * 49_900
    closing = closing_instruction(quantity=D("0.4"))
    closed = submitted(filled, closing, quote(50_000, seconds=41), seconds=41, decision="dec-9", **free).book
    assert closed.realised_total - old.realised_total == D("0.4") * 50_000 - filled.positions[SYMBOL].spent
    assert closed.wallet == 10_000 + closed.realised_total - closed.fees_total + closed.funding_total
    assert book_of(document(closed, 4)) == closed


def test_the_boundary_that_a_document_of_november_had_paid_is_not_paid_again() -> None:
    old = book_of(november())
    seen = market(quote(50_000, seconds=50_000), seconds=50_000)
    told = [FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(hours=h), rate=0.0001) for h in (4, 2, 12, 4)]
    turn = Turn(old)
    for update in told:
        turn = fund(turn, update, seen)
    assert turn.book.funding_total - old.funding_total == -D("0.3") * 50_000 * D("0.0001")


def test_events_of_november_are_still_sent() -> None:
    (event,) = [outgoing(entry) for entry in november()["outbox"]]
    assert event.subject == "position.changed.paper-1"
    assert getattr(event.body, "insolvency", None) == 0


def test_what_a_venue_bore_before_is_in_the_totals_as_it_is_now() -> None:
    found = november() | {"insolvency": "12.5"}
    totals = book_of(found)
    assert totals.realised_total + totals.insolvency == book_of(november()).realised_total
