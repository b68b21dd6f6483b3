"""The changes of many events as one of each document: the same documents as one after the other."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from libs.records.collections import DECISIONS, ORDERS
from services.ledger.domain.merging import merged, summed
from services.ledger.domain.project import project
from services.ledger.domain.upserts import Advance, Count, Upsert
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_store import FakeStore

CHAINS = [Chain(request_id=f"req-{n}", account=f"account{n % 2}") for n in range(3)]
CHANGES = [
    project(body, T0 + timedelta(milliseconds=n))
    for chain in CHAINS
    for n, body in enumerate([*(body for _, body in chain.messages()), chain.rejected()])
]


@given(st.lists(st.sampled_from(CHANGES), max_size=40), st.integers(1, 12))
def test_batches_of_any_size_and_order_make_the_same_documents(changes: list[tuple[Upsert, ...]], size: int) -> None:
    alone, together = FakeStore(), FakeStore()
    for change in changes:
        alone.apply_now(change)
    for start in range(0, len(changes), size):
        batch = merged(changes[start : start + size])
        places = [(change.upsert.collection, change.upsert.key) for change in batch]
        assert len(set(places)) == len(places)
        together.apply_now(tuple(change.upsert for change in batch))
    assert together.comparable() == alone.comparable()


def test_a_change_knows_all_events_that_it_is_made_of() -> None:
    first, second = Upsert(DECISIONS, "d", set={"a": 1}), Upsert(DECISIONS, "d", set={"b": 2})
    (both, other) = merged([(first,), (second, Upsert(ORDERS, "o"))])
    assert (dict(both.upsert.set), both.events) == ({"a": 1, "b": 2}, frozenset({0, 1}))
    assert (other.upsert.key, other.events) == ("o", frozenset({1}))


def test_what_the_document_gets_when_it_is_made_is_not_written_beside_what_changes_it() -> None:
    made, changed = Upsert(ORDERS, "o", set_on_insert={"a": 1, "b": 1}), Upsert(ORDERS, "o", set={"a": 2})
    (both,) = merged([(made,), (changed,)])
    assert (both.upsert.set, both.upsert.set_on_insert) == ({"a": 2}, {"b": 1})


def test_only_the_newest_state_is_advanced_to_and_each_member_counts_once() -> None:
    one = Count("fill_ids", "f1", {"fee": Decimal("0.1")})
    other = Count("fill_ids", "f2", {"fee": Decimal("0.25")})
    old, new = Advance("01", {"state": "open"}), Advance("02", {"state": "filled"})
    (order,) = merged([(Upsert(ORDERS, "o", guards=(new, one)),), (Upsert(ORDERS, "o", guards=(old, one, other)),)])
    assert order.upsert.guards == (new, one, other)
    assert summed([one, other]) == {"fee": Decimal("0.35")}
