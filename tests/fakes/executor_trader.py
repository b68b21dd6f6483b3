"""A trader by rule for simulations of accounts over days: what it decides, turn by turn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from libs.schemas.decision import (
    AssetDecision,
    OrderAdjustment,
    PositionAdjustment,
)
from tests import builders

if TYPE_CHECKING:
    from tests.fakes.executor_simulation import Desk


def trader(desk: "Desk", closes: Mapping[str, list[float]], turn: int) -> tuple[AssetDecision, ...]:
    """Follows the hour's direction, and does each of the six actions in its turn; what is wrong the rules refuse."""
    return tuple(_row(desk, symbol, series, turn + n) for n, (symbol, series) in enumerate(closes.items()))


def _row(desk: "Desk", symbol: str, series: list[float], turn: int) -> AssetDecision:
    price, rising = series[-1], series[-1] >= series[0]
    held = desk.book.positions.get(symbol)
    confidence = 50 + turn % 50
    if held is None:
        if turn % 3 == 0:
            return builders.row(symbol)
        action = "buy" if rising else "sell"
        s = 1 if rising else -1
        stop, target = price * (1 - s * 0.006), price * (1 + s * 0.02)
        return builders.entry(
            symbol,
            action,
            allocation_usd=300,
            leverage=8,
            sl_price=stop,
            tp_price=target,
            limit_price=price,
            confidence=confidence,
        )
    s = 1 if held.position.side == "long" else -1
    if turn % 7 == 0:
        return builders.row(symbol, "close_position", confidence=confidence)
    if turn % 7 in (1, 2):
        kind = "increase" if turn % 7 == 1 else "decrease"
        change = PositionAdjustment(adjustment_type=kind, adjustment_amount_usd=120)
        return builders.row(symbol, "adjust_position", position_adjustment=change, confidence=confidence)
    if turn % 7 == 3:
        moved = OrderAdjustment(adjust_sl=True, new_sl_price=price * (1 - s * 0.003))
        return builders.row(symbol, "adjust_orders", order_adjustment=moved, confidence=confidence)
    return builders.row(symbol)
