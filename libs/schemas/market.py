"""Market events: ticks, candles, funding, notes and the market clock."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from libs.schemas.base import AccountId, Id, Message, Name, Symbol, Timeframe, Utc

# Anybody publishes market events: numbers are JSON numbers (strict: `true` is no price), and what no market ever showed
# is refused here, where it costs one message, and not where it would cost every context that reads it.
Price = Annotated[float, Field(strict=True, gt=1e-12, lt=1e12)]
Size = Annotated[float, Field(strict=True, ge=0, lt=1e15)]
NonNegative = Annotated[float, Field(strict=True, ge=0, lt=1e18)]
Rate = Annotated[float, Field(strict=True, ge=-1, le=1)]
Hours = Annotated[float, Field(strict=True, gt=0, le=24)]


class MarketTick(Message):
    """One trade or quote. `ts` is the event time at the source; left out, it is the arrival in market time.

    Base units: `size` is what traded in what the tick itself tells of: one trade of a live market, a quarter of a bar
    of a recorded one; 0 or left out, the tick tells of no trade with an amount. It says nothing of how much the market
    can take. That is said by `span_volume`, all that traded in the `span_s` seconds that hold the tick, by
    `volume_24h_quote` (quote currency), and by `bid_size` and `ask_size`, what stands at the best prices.

    Prices in quote currency, `open_interest` in base units, `funding_rate` a fraction of notional per
    `funding_interval_hours`. A figure that was heard before `ts` and is told again says when: `price_at`, `book_at`
    (bid, ask, their sizes), `mark_at` (mark and index), `funding_at`, `interest_at`, `day_at` (the venue's 24 hours).

    `next_funding_time` keeps the offset that it came with: it comes with every tick and is read with few, and bringing
    it to UTC costs a tenth of the time that a tick may take.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("tick_id",)

    symbol: Symbol
    price: Price
    tick_id: Id | None = None
    ts: Utc | None = None
    bid: Price | None = None
    ask: Price | None = None
    size: Size | None = None
    bid_size: Size | None = None
    ask_size: Size | None = None
    span_volume: NonNegative | None = None
    span_s: Annotated[float, Field(strict=True, ge=1, le=86_400)] = 60.0
    mark_price: Price | None = None
    index_price: Price | None = None
    funding_rate: Rate | None = None
    next_funding_time: AwareDatetime | None = None
    open_interest: NonNegative | None = None
    volume_24h_quote: NonNegative | None = None
    price_24h_ago: Price | None = None
    source: Name = "unknown"
    funding_interval_hours: Hours | None = None
    price_at: AwareDatetime | None = None
    book_at: AwareDatetime | None = None
    mark_at: AwareDatetime | None = None
    funding_at: AwareDatetime | None = None
    interest_at: AwareDatetime | None = None
    day_at: AwareDatetime | None = None

    @field_validator("ask")
    @classmethod
    def _bid_below_ask(cls, ask: float | None, info: ValidationInfo) -> float | None:
        """Of the field, not of the model: ticks without an ask do not pay for it."""
        bid = info.data.get("bid")
        if ask is not None and bid is not None and bid > ask:
            raise ValueError("bid is above ask")
        return ask


class Candle(Message):
    """A closed candle. Prices in quote currency, volume in base units.

    `origin` is `context` for one that was built from ticks because no feed had brought it. It has an id of its own, so
    that the log does not take the feed's, which counts for more, as a repetition when it comes later.

    A candle that is told anew because more became known has a higher `revision`, and with it another id: the newest one
    in the log counts. Context workers take the number of trades for it, so that replicas publish the same one.
    """

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
    trades: int = Field(default=0, strict=True, ge=0, lt=2**53)
    origin: Literal["feed", "context"] = "feed"
    revision: int = Field(default=0, strict=True, ge=0, lt=2**53)

    def message_id(self) -> str | None:
        identity = super().message_id() if self.origin == "feed" else f"{super().message_id()}|{self.origin}"
        return f"{identity}|r{self.revision}" if self.revision else identity

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError("low <= open, close <= high does not hold")
        if self.close_time <= self.open_time:
            raise ValueError("close_time is not after open_time")
        return self


class Looked(Message):
    """In lockstep: a context worker has published every trigger that is due at market time `at`, with all ticks up to
    the sequence `sequence` of MARKET folded in. Or the executor has done all that they do to its accounts, which are
    at `versions` now; `executed` are the versions at which their newest stop, target or liquidation came about."""

    at: Utc
    sequence: int = Field(ge=0)
    versions: dict[AccountId, int] = {}
    executed: dict[AccountId, int] = {}


class FundingUpdate(Message):
    """Funding paid at `funding_time`: a fraction of notional per `interval_hours`; longs pay when it is positive.

    The interval is the one that ended then; where the next one is longer or shorter, `next_funding_time` says so.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("symbol", "funding_time")

    symbol: Symbol
    funding_time: Utc
    rate: Rate
    mark_price: Price | None = None
    interval_hours: Hours = 8
    next_funding_time: Utc | None = None

    @property
    def due_next(self) -> datetime:
        """When funding is paid next."""
        return self.next_funding_time or self.funding_time + timedelta(hours=self.interval_hours)


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
    """Market time = `origin` + (wall − `wall_zero`) × `speed`, or `origin` while paused. Kept in KV `clock`.

    In lockstep `told` is the sequence of MARKET up to which the moment `origin` is stored whole, null before it is.
    """

    origin: Utc
    wall_zero: Utc
    speed: float = Field(gt=0, le=100_000)
    paused: bool = False
    lockstep: bool = False
    told: int | None = None
    refreshed_at: Utc
