"""Messages that ran out of deliveries end as dead letters, and end their decision."""

import pytest

from libs.records.collections import DEAD_LETTERS
from libs.runtime.errors import Poison
from libs.schemas.dead import DeadLetter
from libs.schemas.reasons import DeadLetterCode, RejectReason
from libs.schemas.verdict import DecisionRejected
from services.ledger.application.storing import abandoned
from services.ledger.domain.advisories import MaxDeliveries, StoredMessage
from services.ledger.handlers import decode
from services.ledger.ports import Deps
from tests.fakes.ledger_chain import Chain
from tests.fakes.ledger_store import FakeLog, FakeStore, ledger_deps

CHAIN = Chain()
PROPOSED = StoredMessage("decision.proposed.alpha", {"x": "y"}, CHAIN.proposed().model_dump_json().encode())


def deps(**messages: StoredMessage) -> Deps:
    found = {(stream, 7): message for stream, message in messages.items()}
    return ledger_deps(FakeStore(), FakeLog(found))


def advisory(stream: str, consumer: str) -> MaxDeliveries:
    raw = (
        '{"type":"io.nats.jetstream.advisory.v1.max_deliver","id":"x","timestamp":"2026-11-20T12:00:00Z",'
        f'"stream":"{stream}","consumer":"{consumer}","stream_seq":7,"deliveries":8}}'
    )
    return MaxDeliveries.model_validate_json(raw)


async def test_a_step_of_a_decision_becomes_a_dead_letter_and_a_rejection() -> None:
    letter, end = await abandoned(deps(DECISIONS=PROPOSED), advisory("DECISIONS", "validator-proposals"))
    assert letter.subject == "dead.DECISIONS.validator-proposals"
    assert isinstance(letter.body, DeadLetter)
    assert letter.body.error.code is DeadLetterCode.MAX_DELIVERIES
    assert (letter.body.body, letter.body.headers) == (PROPOSED.body.decode(), {"x": "y"})
    assert (letter.body.sequence, letter.body.deliveries) == (7, 8)
    assert isinstance(end.body, DecisionRejected)
    assert (end.body.decision_id, end.body.reason) == (CHAIN.decision_id, RejectReason.DEAD_LETTERED)


async def test_a_reader_that_gave_up_ends_no_decision() -> None:
    emits = await abandoned(deps(DECISIONS=PROPOSED), advisory("DECISIONS", "ledger-decisions"))
    assert [emit.subject for emit in emits] == ["dead.DECISIONS.ledger-decisions"]


async def test_a_message_that_the_stream_forgot_is_still_told_of() -> None:
    (letter,) = await abandoned(deps(), advisory("CONTEXTS", "decider-contexts"))
    assert isinstance(letter.body, DeadLetter)
    assert "no longer holds it" in letter.body.error.message
    assert letter.body.body == ""


async def test_the_dead_letter_of_a_message_always_has_the_same_id() -> None:
    first, *_ = await abandoned(deps(DECISIONS=PROPOSED), advisory("DECISIONS", "validator-proposals"))
    second, *_ = await abandoned(deps(), advisory("DECISIONS", "validator-proposals"))
    assert first.body.message_id() == second.body.message_id()


async def test_a_letter_that_was_given_up_is_stored_and_makes_no_other() -> None:
    letter, _ = await abandoned(deps(DECISIONS=PROPOSED), advisory("DECISIONS", "validator-proposals"))
    stored = StoredMessage(letter.subject, {}, letter.body.model_dump_json().encode())
    store = FakeStore()
    log = FakeLog({("DEAD", 7): stored})
    for _ in range(2):
        assert await abandoned(ledger_deps(store, log), advisory("DEAD", "ledger-dead")) == []
    assert list(store.collections[DEAD_LETTERS]) == [letter.body.message_id()]


@pytest.mark.parametrize("body", [b"{", b"{}", None], ids=["no JSON", "no letter", "gone"])
async def test_what_is_no_letter_holds_nothing_up(body: bytes | None) -> None:
    messages = {} if body is None else {"DEAD": StoredMessage("dead.X.y", {}, body)}
    assert await abandoned(deps(**messages), advisory("DEAD", "ledger-dead")) == []


async def test_an_advisory_that_was_given_up_is_carried_out() -> None:
    inner = advisory("DECISIONS", "validator-proposals").model_dump_json().encode()
    found = deps(DECISIONS=PROPOSED, ADVISORIES=StoredMessage("$JS.EVENT.ADVISORY.x", {}, inner))
    letter, end = await abandoned(found, advisory("ADVISORIES", "ledger-advisories"))
    assert letter.subject == "dead.DECISIONS.validator-proposals"
    assert isinstance(end.body, DecisionRejected)


def test_a_subject_that_nobody_knows_is_poison() -> None:
    with pytest.raises(Poison, match="weather"):
        decode("weather.changed.alpha", b"{}")
