"""Orders and judgements as the API shows them."""

from collections.abc import Iterable
from decimal import Decimal

from libs.schemas.analytics import OrderSummary
from libs.schemas.base import ShortText
from libs.schemas.decision import ModelCall
from libs.schemas.orders import OrderEvent
from libs.schemas.verdict import AssetVerdict, Receipt

MAX_TEXT = 500


def summary_of(events: Iterable[OrderEvent]) -> OrderSummary:
    """One order from its events in the order of their publication, at least one."""
    seen = {event.event_id: event for event in events}
    newest = list(seen.values())[-1]
    fills = {event.fill.fill_id: event.fill for event in seen.values() if event.fill}.values()
    filled = sum((fill.quantity for fill in fills), Decimal(0))
    notional = sum((fill.quantity * fill.price for fill in fills), Decimal(0))
    intent = newest.intent
    return OrderSummary(
        client_order_id=intent.client_order_id,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        leg=intent.leg,
        quantity=intent.quantity,
        price=intent.price,
        stop_price=intent.stop_price,
        state=intent.state,
        filled=filled,
        average_price=average(notional, filled),
        fee=sum((fill.fee for fill in fills), Decimal(0)),
        realized_pnl=sum((fill.realized_pnl for fill in fills), Decimal(0)),
    )


def average(notional: Decimal, quantity: Decimal) -> Decimal | None:
    """Average price of fills, to twelve significant digits; None where nothing was filled."""
    return None if quantity == 0 else Decimal(f"{notional / quantity:.12g}")


def complaints(
    verdicts: Iterable[AssetVerdict], portfolio: Iterable[Receipt]
) -> tuple[tuple[ShortText, ...], tuple[ShortText, ...]]:
    """Errors and warnings of a judgement, each with the asset that it is about."""
    receipts = [("portfolio", receipt) for receipt in portfolio]
    receipts += [(verdict.asset, receipt) for verdict in verdicts for receipt in verdict.receipts]
    lines = [(receipt.severity, f"{about}: {receipt.message}"[:MAX_TEXT]) for about, receipt in receipts]
    errors = tuple(line for severity, line in lines if severity == "error")
    return errors, tuple(line for severity, line in lines if severity == "warning")


def model_used(calls: Iterable[ModelCall]) -> str | None:
    """The model whose answer counts: that of the last good call, else of the last one."""
    made = list(calls)
    good = [call for call in made if call.outcome in ("ok", "repaired")] or made
    return (good[-1].model_answered or good[-1].model_requested) if good else None


def cost(calls: Iterable[ModelCall]) -> float | None:
    """Dollars of all calls together; unknown as soon as one is unknown."""
    costs = [call.cost_usd for call in calls]
    return None if not costs or None in costs else sum(value for value in costs if value is not None)
