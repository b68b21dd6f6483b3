"""The trade as analytics see it: one position from open to flat."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Trade:
    """Money in quote currency. `pnl` is net of fees and funding, `volume` what was traded in and out, `margin` what
    was committed. `strategy_id` is that of the decision which opened it; None where the history does not know it.
    """

    trade_id: str
    account_id: str
    symbol: str
    strategy_id: str | None
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    volume: Decimal
    margin: Decimal
    opened_at: datetime
    closed_at: datetime
    liquidated: bool = False


def in_order(trades: Iterable[Trade]) -> list[Trade]:
    """Oldest close first; the id decides between equal times, so that every reader sees one order."""
    return sorted(trades, key=lambda trade: (trade.closed_at, trade.trade_id))


def total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)
