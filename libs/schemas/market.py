"""Market events: ticks, candles, funding, notes and the market clock."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from libs.schemas.base import Id, Message, Name, NonNegative, Price, Symbol, Timeframe, Utc

Rate = Annotated[float, Field(ge=-1, le=1)]


class MarketTick(Message):
    """One trade or quote. `ts` is the event time at the source; left out, it is the arrival in market time."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("tick_id",)

    symbol: Symbol
    price: Price
    tick_id: Id | None = None
    ts: Utc | None = None
    bid: Price | None = None
    ask: Price | None = None
    size: NonNegative | None = None
    mark_price: Price | None = None
    index_price: Price | None = None
    funding_rate: Rate | None = None
    next_funding_time: Utc | None = None
    open_interest: NonNegative | None = None
    volume_24h_quote: NonNegative | None = None
    price_24h_ago: Price | None = None
    source: Name = "unknown"

    @model_validator(mode="after")
    def _bid_below_ask(self) -> Self:
        if self.bid is not None and self.ask is not None and self.bid > self.ask:
            raise ValueError("bid is above ask")
        return self


class Candle(Message):
    """A closed candle. Prices in quote currency, volume in base units."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("symbol", "timeframe", "open_time")

    symbol: Symbol
    timeframe: Timeframe
    open_time: Utc
    close_time: Utc
    open: Price
    high: Price
    low: Price
    close: Price
    volume: NonNegative
    quote_volume: NonNegative = 0.0
    trades: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError("low <= open, close <= high does not hold")
        if self.close_time <= self.open_time:
            raise ValueError("close_time is not after open_time")
        return self


class FundingUpdate(Message):
    """Funding paid at `funding_time`: a fraction of notional per `interval_hours`; longs pay when it is positive."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("symbol", "funding_time")

    symbol: Symbol
    funding_time: Utc
    rate: Rate
    mark_price: Price | None = None
    interval_hours: float = Field(default=8, gt=0, le=24)


class MarketNote(Message):
    """Outside text (news, sentiment, a remark): shown to the model as data, never as instructions."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("note_id",)

    note_id: Id
    symbol: Symbol | None = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    source: Name
    published_at: Utc
    expires_at: Utc


class MarketClock(Message):
    """Market time = `origin` + (wall − `wall_zero`) × `speed`, or `origin` while paused. Kept in KV `clock`."""

    origin: Utc
    wall_zero: Utc
    speed: float = Field(gt=0, le=100_000)
    paused: bool = False
    lockstep: bool = False
    refreshed_at: Utc
