"""What a venue allows and charges for one symbol (KV `config`, key `venue.<name>.<symbol>`)."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.schemas.base import Message, Name, NonNegativeMoney, Number, PositiveMoney, Symbol, Wire

ANY_SYMBOL = "default"  # whose rules are those of every symbol that has none of its own
TriggerBy = Literal["mark", "last", "index"]
FillOn = Literal["through", "touch"]
Bps = Annotated[Number, Field(ge=0, le=1000)]


class MarginTier(Wire):
    """Positions with a notional from `floor` up to the next tier's floor. `mmr` is a fraction; `cum` is derived."""

    floor: NonNegativeMoney
    mmr: Annotated[Number, Field(gt=0, lt=1)]
    max_leverage: Annotated[Number, Field(ge=1, le=200)]


class VenueSymbol(Message):
    """Filters, fees (basis points), slippage and margin tiers of one symbol at one venue.

    The rest is about the paper venue. A taker slips by `slippage_bps` + `impact_bps` × √(what the best price does not
    hold of its quantity ÷ the volume of a minute): libs/perps/slippage.py. A resting limit fills when the price trades
    through it (or touches it), in at most `volume_share` of what traded. `price_band_pct` bounds a buy's limit above
    the mark and a sell's below it. `latency_ms` in market time.
    """

    venue: Name
    symbol: Symbol
    tick_size: PositiveMoney
    lot_size: PositiveMoney
    min_notional: NonNegativeMoney
    max_quantity: PositiveMoney
    maker_fee_bps: Annotated[Number, Field(ge=-10, le=100)]
    taker_fee_bps: Annotated[Number, Field(ge=0, le=100)]
    liquidation_fee_bps: Bps = Decimal(125)
    half_spread_bps: Bps = Decimal(1)
    slippage_bps: Bps = Decimal(1)
    impact_bps: Bps = Decimal(10)
    volume_share: Annotated[Number, Field(gt=0, le=1)] = Decimal(1)
    price_band_pct: Annotated[Number, Field(gt=0, le=100)] = Decimal(5)
    max_open_orders: int = Field(default=200, ge=1)
    latency_ms: int = Field(default=0, ge=0, le=60_000)
    trigger_by: TriggerBy = "mark"
    fill_on: FillOn = "through"
    tiers: Annotated[tuple[MarginTier, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _tiers_ascend(self) -> Self:
        floors = [tier.floor for tier in self.tiers]
        if floors != sorted(set(floors)) or floors[0] != 0:
            raise ValueError("tiers must start at floor 0 and ascend")
        return self
