"""Strategies and their limits."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.schemas.base import (
    Message,
    ModelChain,
    Name,
    NonNegative,
    Percent,
    ShortText,
    StrategyId,
    Text,
    Timeframe,
    Wire,
)

StrategyType = Literal["conservative", "aggressive", "scalping", "swing", "dca", "custom"]
Sizing = Literal["fixed", "percentage", "kelly", "volatility_adjusted"]
OrderPreference = Literal["maker_only", "maker_preferred", "taker_accepted", "any"]


class StrategyRiskParameters(Wire):
    """Limits per trade and per day.

    Percentages of equity (`max_risk_per_trade`: lost at the stop), of the day's opening equity (`max_daily_loss`) and
    of price (`stop_loss_percentage`). `liquidation_buffer` is the share of the distance entry → liquidation that must
    remain beyond the stop. Funding in basis points per 8 hours.
    """

    max_risk_per_trade: Percent
    max_daily_loss: Percent
    stop_loss_percentage: float = Field(ge=0, le=50)
    take_profit_ratio: float | None = Field(default=2, ge=1)
    max_leverage: float = Field(default=2, ge=1, le=125)
    cooldown_period: int = Field(default=300, ge=0)
    max_funding_rate_bps: NonNegative
    liquidation_buffer: float = Field(default=0.15, ge=0, le=1)


class Ladder(Wire):
    """Equal limit orders below (long) or above (short) the first, `step_pct` apart."""

    rungs: int = Field(ge=2, le=20)
    step_pct: float = Field(gt=0, le=50)


class TradingStrategy(Message):
    """A strategy as stored in KV `config` under `strategy.<id>` and `strategy.<id>.<version>`."""

    strategy_id: StrategyId
    strategy_name: Name
    strategy_type: StrategyType
    description: Text
    prompt_template: Annotated[str, Field(min_length=1, max_length=50_000)]
    risk_parameters: StrategyRiskParameters
    timeframe_preference: Annotated[tuple[Timeframe, ...], Field(min_length=1, max_length=6)]
    max_positions: int = Field(default=3, ge=1)
    position_sizing: Sizing = "percentage"
    fixed_margin_usd: float | None = Field(default=None, gt=0)
    margin_pct: float | None = Field(default=None, gt=0, le=100)
    order_preference: OrderPreference = "any"
    funding_rate_threshold: float = Field(ge=0)
    max_exposure_pct: float = Field(gt=0, le=12_500)
    max_asset_share_pct: float = Field(gt=0, le=100)
    max_cluster_pct: float = Field(gt=0, le=12_500)
    max_hold_minutes: int | None = Field(default=None, ge=1)
    funding_blackout_min: int = Field(default=0, ge=0, le=480)
    take_profit_pct: float | None = Field(default=None, gt=0, le=1_000)
    ladder: Ladder | None = None
    model: ModelChain | None = None
    is_active: bool = True
    version: int = Field(default=1, ge=1)
    changed_because: ShortText | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.position_sizing == "fixed" and self.fixed_margin_usd is None:
            raise ValueError("position_sizing fixed needs fixed_margin_usd")
        if self.position_sizing == "percentage" and self.margin_pct is None:
            raise ValueError("position_sizing percentage needs margin_pct")
        if self.risk_parameters.max_risk_per_trade > self.risk_parameters.max_daily_loss:
            raise ValueError("max_risk_per_trade is above max_daily_loss")
        if len(set(self.timeframe_preference)) != len(self.timeframe_preference):
            raise ValueError("timeframe_preference names a timeframe twice")
        return self
