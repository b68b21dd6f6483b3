"""Each promise holds over the true story, and each way to break it is told with what it is about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from libs.invariants.books import fills_are_booked, wallets_add_up
from libs.invariants.log import Frontier
from libs.invariants.orders import entries_are_one_order, intents_end
from libs.invariants.protection import positions_are_protected
from libs.invariants.requests import requests_end_once, shadows_end_once
from libs.invariants.rows import ContextRow, EndRow, IntentRow, RequestRow
from libs.invariants.values import InvariantCheck
from tests.unit.invariants.stories import ENTRY, FLOORS, STOP, T0, Story, at, fill, order, position

LATER = T0 + timedelta(seconds=60)
Break = Callable[[Story], object]
CHECKS: dict[str, Callable[[Story], InvariantCheck]] = {
    "requests": lambda s: requests_end_once(s.log, s.frontier),
    "shadows": lambda s: shadows_end_once(s.log, s.frontier),
    "entries": lambda s: entries_are_one_order(s.log, s.plans, s.books),
    "intents": lambda s: intents_end(s.log, s.plans, s.books, s.ended),
    "wallets": lambda s: wallets_add_up(s.log, s.books),
    "fills": lambda s: fills_are_booked(s.log),
    "protection": lambda s: positions_are_protected(s.log, s.books, timedelta(seconds=6), LATER),
}


def shadow(s: Story, *verbs: str) -> None:
    s.log.contexts.append(ContextRow(2, "c", "r", ("sh",)))
    s.log.shadowed["c"] = 3
    s.frontier = Frontier({**FLOORS, "decider-shadows": 9})
    s.log.ends += [EndRow(4 + n, verb, "sh", "r", shadow=True) for n, verb in enumerate(verbs)]


def book(s: Story, **fields: object) -> None:
    s.book = replace(s.book, **fields)  # type: ignore[arg-type]


def plan(s: Story, **fields: object) -> None:
    s.plan = replace(s.plan, **fields)  # type: ignore[arg-type]


def executed_shadow(s: Story) -> None:
    shadow(s, "evaluated")
    s.told(0, decision_id="sh")


def late_stop(s: Story) -> None:
    """The stop is placed in a write of its own, 8 s after the position was opened."""
    s.told(2, **{**at(3, 0, 8)})
    s.log.orders[3] = order("filled", STOP, "stop", "filled", at(4, 0, 60), fill("f2", "2", "0.4", "-3"))
    s.log.positions[1] = position("0", "96.1", at(4, 1, 60), fee="0.4", realized_pnl="-3")
    book(s, version=4)


def never_stopped(s: Story) -> None:
    del s.log.orders[2:], s.log.positions[1:]


BREAKS: list[tuple[str, str, Break, str]] = [
    ("requests", "no end", lambda s: s.log.ends.clear(), "r: never ended"),
    ("requests", "two ends", lambda s: s.log.ends.append(EndRow(2, "rejected", "d", "r", shadow=False)), "r: ended 2"),
    ("requests", "requested twice", lambda s: s.log.requests.append(RequestRow(5, "r")), "r: requested more than once"),
    ("requests", "an end of nothing", lambda s: s.log.requests.clear(), "r: an end without a request"),
    ("shadows", "no evaluation", lambda s: shadow(s), "sh: never ended"),
    ("shadows", "two evaluations", lambda s: shadow(s, "evaluated", "evaluated"), "sh: ended 2 times"),
    ("shadows", "ended as one that counts", lambda s: shadow(s, "validated"), "sh: a shadow arm ended as validated"),
    ("shadows", "executed", executed_shadow, "sh: a shadow arm was executed"),
    ("entries", "placed twice", lambda s: s.log.orders.append(replace(s.log.orders[0], event_id="x")), "placed 2"),
    ("entries", "filled twice", lambda s: s.told(3, fill=fill("f1", "2", "0.4", "-3")), "f1: filled 2 times"),
    ("entries", "told twice", lambda s: s.moved(1, event_id="a:2:2"), "a:2:2: told 2 times"),
    ("entries", "a second order", lambda s: s.told(2, leg="entry"), "d BTCUSDT: 2 orders at once for 1 planned"),
    ("entries", "more than planned", lambda s: s.told(1, fill=fill("f1", "3", "0.5")), "3 filled of 2 planned"),
    ("entries", "never stored", lambda s: plan(s, plan_id="other"), "d BTCUSDT: an order whose intent nobody stored"),
    ("entries", "never validated", lambda s: s.log.ends.clear(), "d BTCUSDT: it was ordered and never validated"),
    ("intents", "planned only", lambda s: plan(s, intents=(IntentRow("f" * 32, "X", "entry", Decimal(1)),)), "f" * 32),
    ("intents", "lost on its way", lambda s: s.told(3, state="open", kind="placed"), f"{STOP}: open, and its account"),
    ("intents", "not in the history", lambda s: s.ended.pop(STOP), f"{STOP}: ended as filled, in the history None"),
    ("intents", "another end", lambda s: s.ended.update({ENTRY: "canceled"}), "ended as filled, in the history cancel"),
    ("intents", "an end of nothing", lambda s: s.ended.update({"9" * 32: "filled"}), "and the log does not know it"),
    ("intents", "went on", lambda s: s.told(2, order_id=ENTRY), f"{ENTRY}: ended as filled and went on as open"),
    ("wallets", "an event is lost", lambda s: s.log.positions.pop(0), "the event says 96.1 where 96.6 follows"),
    ("wallets", "the last is lost", lambda s: s.log.positions.pop(), "a: its document says 96.1 where 99.5 follows"),
    ("wallets", "a cent", lambda s: s.moved(0, wallet=Decimal("99.50000001")), "a:2:2: the event says 99.50000001"),
    ("wallets", "its totals", lambda s: book(s, gained=Decimal("-3.8")), "a: its totals says 96.1 where 96.2 follows"),
    ("wallets", "what is shown", lambda s: book(s, shown=Decimal(96)), "a: KV state says 96 where 96.1 follows"),
    ("fills", "a fee", lambda s: s.moved(1, fee=Decimal("0.3")), f"{STOP}: fills say a profit of -3 and a fee of 0.4"),
    ("fills", "no position", lambda s: s.log.positions.pop(0), f"{ENTRY}: fills say a profit of 0 and a fee of 0.5"),
    ("protection", "late", late_stop, "a BTCUSDT: without a stop for 8.0 s"),
    ("protection", "never", never_stopped, "a BTCUSDT: without a stop for 60.0 s"),
    ("protection", "taken away", lambda s: s.told(3, kind="canceled", **at(2, 4)), "without a stop for 60.0 s"),
]  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_the_true_story_keeps_every_promise(name: str) -> None:
    check = CHECKS[name](Story())
    assert check.breaches == ()
    assert check.status == ("not_checkable" if name == "shadows" else "holds")


@pytest.mark.parametrize(("name", "how", "make", "said"), BREAKS, ids=[f"{name}: {how}" for name, how, *_ in BREAKS])
def test_what_breaks_a_promise_is_told(name: str, how: str, make: Break, said: str) -> None:
    story = Story()
    make(story)
    check = CHECKS[name](story)
    assert check.status == "broken"
    told = "\n".join(f"{breach.about}: {breach.said}" for breach in check.breaches)
    assert said in told
