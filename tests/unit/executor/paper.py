"""What the tests of the paper venue share: a decision's orders submitted, ticks applied, and what happened."""

from datetime import timedelta
from typing import Any

from libs.schemas.verdict import Instruction
from services.executor.domain import paper
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.plan import orders, plan
from services.executor.domain.quote import Quote
from tests.fakes.executor_values import NOW, market, strategy, validated


def submitted(
    held: AccountBook,
    final: Instruction,
    *quotes: Quote,
    decision: str = "dec-1",
    seconds: float = 0,
    preference: str = "any",
    lasts: float = 300,
    **rules: Any,
) -> Turn:
    """The turn after a decision's orders went to a venue with these rules."""
    at = NOW + timedelta(seconds=seconds)
    body = validated(final, decision=decision, at=at).model_copy(update={"expires_at": at + timedelta(seconds=lasts)})
    made = plan(body, body.verdicts, held, at, strategy().model_copy(update={"order_preference": preference}))
    turn = Turn(held)
    for order in orders(made):
        turn = paper.submit(turn, order, market(*quotes, seconds=seconds, **rules))
    return turn


def ticked(turn: Turn, at: Quote, *others: Quote, **rules: Any) -> Turn:
    """What one tick does; the other symbols stand at their quotes."""
    return paper.on_tick(Turn(turn.book), at, market(at, *others, seconds=(at.at - NOW).total_seconds(), **rules))


def kinds(turn: Turn) -> list[str]:
    """What happened, as `leg.kind` for orders and `kind` for positions."""
    return [
        f"{c.intent.leg}.{c.kind}" if isinstance(c, OrderChange) else c.kind for c in turn.changes if hasattr(c, "kind")
    ]


def fills(turn: Turn) -> list[tuple[str, str]]:
    """Price and quantity of the fills, as text."""
    return [(str(c.fill.price), str(c.fill.quantity)) for c in turn.changes if isinstance(c, OrderChange) and c.fill]
