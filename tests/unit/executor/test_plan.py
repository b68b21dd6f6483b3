"""From verdicts to orders: their order, their ids, and what the account no longer allows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest

from libs.schemas import ids
from libs.schemas.reasons import Reason
from libs.schemas.verdict import AssetVerdict, Receipt, Rung
from services.executor.domain import paper
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Turn
from services.executor.domain.final import final_verdicts
from services.executor.domain.plan import cancels, denials, orders, plan, reserving
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


def with_position() -> AccountBook:
    turn = Turn(book())
    for order in working(validated(instruction(), decision="dec-0"), turn.book):
        turn = paper.submit(turn, order, market(quote(50_000)))
    return turn.book


def test_closes_come_before_entries() -> None:
    body = validated(instruction(asset="ETHUSDT"), closing_instruction(quantity=D("0.1")))
    made = plan(body, body.verdicts, with_position(), NOW)
    assert [(i.symbol, i.leg) for i in made.intents] == [(SYMBOL, "exit"), ("ETHUSDT", "entry")]


def test_ids_derive_from_the_decision_and_differ_by_leg_and_rung() -> None:
    rungs = tuple(Rung(price=D(49_900 - 100 * n), quantity=D("0.01")) for n in range(3))
    body = validated(instruction(type="limit", time_in_force="post_only", rungs=rungs))
    made = plan(body, body.verdicts, book(), NOW)
    assert [i.client_order_id for i in made.intents] == [
        ids.client_order_id("paper-1", "dec-1", SYMBOL, "entry", n) for n in range(3)
    ]
    assert plan(body, body.verdicts, book(), NOW + timedelta(seconds=5)).intents[0].client_order_id == (
        made.intents[0].client_order_id
    )


def test_an_entry_carries_its_protection_and_a_limit_its_expiry() -> None:
    body = validated(instruction(type="limit", time_in_force="post_only", limit_price=D(49_900)))
    (order,) = orders(plan(body, body.verdicts, book(), NOW))
    assert (order.stop, order.target, order.leverage, order.reference) == (D(49_000), D(52_000), D(5), D(49_900))
    assert order.intent.expires_at == NOW + timedelta(seconds=60)
    assert order.intent.time_in_force == "post_only"


def test_what_an_entry_needs_is_reserved_until_it_is_submitted() -> None:
    body = validated(instruction())
    made = plan(body, body.verdicts, book(), NOW)
    held = reserving(book(), made)
    assert held.reservations[SYMBOL].margin == 1_000
    assert held.reservations[SYMBOL].notional == 5_000


def test_a_close_takes_resting_entries_away() -> None:
    turn = Turn(with_position())
    limit = instruction("adjust_position", type="limit", time_in_force="post_only", limit_price=D(49_900))
    for order in working(validated(limit, decision="dec-1"), turn.book):
        turn = paper.submit(turn, order, market(quote(50_000)))
    (resting,) = [o for o in turn.book.orders.values() if o.intent.leg == "entry"]
    body = validated(closing_instruction(quantity=D("0.1")), decision="dec-2")
    made = plan(body, body.verdicts, turn.book, NOW)
    assert cancels(made, turn.book) == (resting.intent.client_order_id,)


def test_a_dropped_target_is_cancelled_and_a_moved_stop_is_an_order() -> None:
    held = with_position()
    body = validated(closing_instruction(action="adjust_orders", stop=D(49_500), cancel_target=True))
    made = plan(body, body.verdicts, held, NOW)
    target = held.leg(SYMBOL, "target")
    assert target is not None
    assert cancels(made, held) == (target.intent.client_order_id,)
    assert [(i.leg, i.stop_price) for i in made.intents] == [("stop", D(49_500))]


def test_a_hold_asks_for_nothing() -> None:
    body = validated(instruction("hold"))
    made = plan(body, body.verdicts, book(), NOW)
    assert not made.intents
    assert not cancels(made, book())


def verdict(quantity: str | None, *, exit_: bool = False, **over: object) -> AssetVerdict:
    made = closing_instruction if exit_ else instruction
    final = made(quantity=D(quantity)) if quantity else None
    return AssetVerdict(
        **{"asset": SYMBOL, "verdict": "accepted" if final else "denied", "action": "buy", "final": final, **over}
    )


@pytest.mark.parametrize(
    ("allowed", "judged", "expired", "quantity"),
    [
        ("0.1", "0.1", False, D("0.1")),
        ("0.1", "0.05", False, D("0.05")),
        ("0.05", "0.1", False, D("0.05")),
        ("0.1", None, False, None),
        (None, "0.1", False, None),
        ("0.1", "0.1", True, None),
    ],
    ids=["same", "shrunk", "never grows", "denied now", "denied before", "expired"],
)
def test_the_final_verdict_never_allows_more(
    allowed: str | None, judged: str | None, expired: bool, quantity: D | None
) -> None:
    (final,) = final_verdicts([verdict(allowed)], [verdict(judged)], expired=expired)
    assert (final.final.quantity if final.final else None) == quantity


def test_a_smaller_allowed_size_takes_leverage_stop_and_target_from_the_account_as_it_is_now() -> None:
    allowed = instruction(quantity=D("0.05"), notional=D(2_500), margin=D(250), leverage=D(10), stop=D(48_000))
    now = instruction(quantity=D("0.1"), leverage=D(5), stop=D(49_500), target=D(51_000))
    verdicts = [[AssetVerdict(asset=SYMBOL, verdict="accepted", action="buy", final=f)] for f in (allowed, now)]
    (verdict,) = final_verdicts(*verdicts, expired=False)
    final = verdict.final
    assert final is not None
    assert (final.quantity, final.notional, final.margin) == (D("0.05"), D(2_500), D(500))
    assert (final.leverage, final.stop, final.target) == (D(5), D(49_500), D(51_000))


def test_an_expired_decision_still_closes() -> None:
    closing = verdict("0.1", exit_=True)
    (final,) = final_verdicts([closing], [closing], expired=True)
    assert final.final is not None


def test_receipts_of_both_judgements_are_kept_once() -> None:
    first = Receipt(rule="margin", severity="warning", reason=Reason.MARGIN_CLAMPED, message="a")
    second = Receipt(rule="fresh", severity="error", reason=Reason.STALE_ASSET, message="b")
    (final,) = final_verdicts(
        [verdict("0.1", receipts=(first,))], [verdict(None, receipts=(first, second))], expired=False
    )
    assert final.receipts == (first, second)


def test_what_the_account_does_not_allow_any_more_is_denied_with_the_reason() -> None:
    body = validated(instruction())
    late = Receipt(rule="fresh", severity="error", reason=Reason.DECISION_EXPIRED, message="too late")
    (change,) = denials(body, [verdict(None, receipts=(late,))], NOW)
    assert (change.kind, change.reason, change.intent.quantity) == ("denied", "expired", D("0.1"))
    assert "too late" in change.detail
    assert replace(change).intent.state == "rejected"
