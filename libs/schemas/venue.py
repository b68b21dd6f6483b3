"""What a venue allows and charges for one symbol (KV `config`, key `venue.<name>.<symbol>`)."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from libs.schemas.base import Message, Name, NonNegativeMoney, PositiveMoney, Symbol, Wire


class MarginTier(Wire):
    """Positions with a notional from `floor` up to the next tier's floor. `mmr` is a fraction; `cum` is derived."""

    floor: NonNegativeMoney
    mmr: Annotated[Decimal, Field(gt=0, lt=1)]
    max_leverage: Annotated[Decimal, Field(ge=1, le=200)]


class VenueSymbol(Message):
    """Filters, fees (basis points), slippage (basis points per trade) and margin tiers of one symbol at one venue."""

    venue: Name
    symbol: Symbol
    tick_size: PositiveMoney
    lot_size: PositiveMoney
    min_notional: NonNegativeMoney
    max_quantity: PositiveMoney
    maker_fee_bps: Annotated[Decimal, Field(ge=-10, le=100)]
    taker_fee_bps: Annotated[Decimal, Field(ge=0, le=100)]
    half_spread_bps: Annotated[Decimal, Field(ge=0, le=1000)] = Decimal(1)
    slippage_bps: Annotated[Decimal, Field(ge=0, le=1000)] = Decimal(1)
    tiers: Annotated[tuple[MarginTier, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _tiers_ascend(self) -> Self:
        floors = [tier.floor for tier in self.tiers]
        if floors != sorted(set(floors)) or floors[0] != 0:
            raise ValueError("tiers must start at floor 0 and ascend")
        return self
