"""What was stored comes back as the messages that it was made of."""

from datetime import timedelta

import pytest

from libs.records.collections import BODIES, DECISIONS
from libs.records.proposals import body_hashes, proposal_of
from libs.schemas.decision import DecisionProposed, Timing
from services.ledger.domain.project import project
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_store import FakeStore

BEFORE = Chain().proposed()
WHOLE = BEFORE.model_copy(
    update={
        "expires_at": BEFORE.expires_at + timedelta(microseconds=123),
        "not_asked": ("openrouter/openai/gpt-5: its breaker is open",),
        "timing": Timing(context=1.5, model=20, engine=0.3),
    }
)


def stored(store: FakeStore, wanted: DecisionProposed) -> DecisionProposed:
    document = store.collections[DECISIONS][wanted.decision_id]
    bodies = [store.collections[BODIES][key] for key in body_hashes(document)]
    return proposal_of(document, bodies)


def test_a_proposal_comes_back_with_the_same_bytes() -> None:
    store = FakeStore()
    store.apply_now(project(WHOLE, T0))
    assert stored(store, WHOLE).model_dump_json() == WHOLE.model_dump_json()


def test_it_does_so_whatever_else_is_stored_of_the_decision() -> None:
    store, chain = FakeStore(), Chain()
    for body in (chain.context(), WHOLE, chain.validated()):
        store.apply_now(project(body, T0))
    assert stored(store, WHOLE).model_dump_json() == WHOLE.model_dump_json()


def test_a_decision_without_its_proposal_cannot_be_read() -> None:
    store, chain = FakeStore(), Chain()
    store.apply_now(project(chain.context(), T0))
    with pytest.raises(KeyError):
        stored(store, WHOLE)
