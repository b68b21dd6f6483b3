"""A book survives its document, and a write carries only what changed."""

from dataclasses import replace
from decimal import Decimal as D

from services.executor.adapters.documents import book_of, changed, document, outbox_entry, outgoing
from services.executor.domain import paper
from services.executor.domain.changes import Turn, seal
from tests.fakes.executor_values import NOW, book, instruction, market, quote, validated, working


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
