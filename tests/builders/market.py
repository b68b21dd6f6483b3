"""What comes from outside: ticks, candles, and the rules of a symbol at its venue."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import Candle, MarketTick
from libs.schemas.venue import MarginTier, VenueSymbol

T0 = datetime(2025, 5, 5, tzinfo=UTC)


def tick(symbol: str = "BTCUSDT", price: float = 100.0, **changes: Any) -> MarketTick:
    return MarketTick(**({"symbol": symbol, "price": price, "ts": T0, "source": "test"} | changes))


def candle(
    symbol: str = "BTCUSDT",
    timeframe: Timeframe = "1m",
    open_time: datetime = T0,
    price: float = 100.0,
    **changes: Any,
) -> Candle:
    """One whose four prices are `price`, and whose volume is one of the base unit."""
    defaults: dict[str, Any] = {
        "symbol": symbol,
        "timeframe": timeframe,
        "open_time": open_time,
        "close_time": open_time + timedelta(seconds=TIMEFRAME_SECONDS[timeframe]),
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": 1.0,
        "quote_volume": price,
        "trades": 4,
    }
    return Candle(**(defaults | changes))


def venue(symbol: str = "BTCUSDT", **changes: Any) -> VenueSymbol:
    defaults: dict[str, Any] = {
        "venue": "paper",
        "symbol": symbol,
        "tick_size": Decimal("0.1"),
        "lot_size": Decimal("0.001"),
        "min_notional": Decimal(5),
        "max_quantity": Decimal(1_000),
        "maker_fee_bps": Decimal(2),
        "taker_fee_bps": Decimal(5),
        "tiers": (MarginTier(floor=Decimal(0), mmr=Decimal("0.004"), max_leverage=Decimal(100)),),
    }
    return VenueSymbol(**(defaults | changes))
