"""Trades by their profits, one every six hours."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.analytics.performance import Period
from libs.analytics.trades import Trade

T0 = datetime(2026, 5, 4, tzinfo=UTC)
WEEK = Period(T0, T0 + timedelta(days=7), Decimal(10_000))


def trade(n: int, pnl: float | str, **more: Any) -> Trade:
    opened = T0 + timedelta(hours=6 * n)
    values: dict[str, Any] = {
        "trade_id": f"t{n:03d}",
        "account_id": "alpha",
        "symbol": "BTCUSDT",
        "strategy_id": "steady",
        "pnl": Decimal(str(pnl)),
        "fees": Decimal(1),
        "funding": Decimal("-0.5"),
        "volume": Decimal(2_000),
        "margin": Decimal(500),
        "opened_at": opened,
        "closed_at": opened + timedelta(hours=2),
    }
    return Trade(**(values | more))


def trades(profits: Sequence[float | str]) -> list[Trade]:
    return [trade(n, pnl) for n, pnl in enumerate(profits)]
