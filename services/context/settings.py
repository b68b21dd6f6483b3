"""Settings of the context worker."""

from pydantic import Field

from libs.runtime.settings import FreshnessSettings, RedisSettings, RuntimeSettings
from services.context.domain.market import Bounds
from services.context.ports import CycleLimits


class Settings(FreshnessSettings, RuntimeSettings, RedisSettings):
    """Seconds are market time unless said otherwise."""

    max_out_of_order: float = Field(
        default=2, ge=0, le=60, description="ticks older than the newest by more are dropped"
    )
    close_grace: float = Field(default=2, ge=0, le=2, description="after its end a minute is closed by the clock")
    trigger_spread: float = Field(
        default=0.05, ge=0, le=0.1, description="share of the interval that accounts spread over"
    )
    max_symbols: int = Field(default=500, ge=1, le=10_000, description="symbols followed at most")
    replay_ticks: int = Field(default=100_000, ge=0, description="ticks of the log that are read at start")
    candle_wait: float = Field(default=10, ge=0, description="wall seconds the feed's candle is waited for")
    state_wait: float = Field(default=5, ge=0, le=10, description="wall seconds an account's state is waited for")
    context_concurrency: int = Field(default=8, ge=1, le=256, description="requests in hand at once")
    inflight_deadline: float = Field(
        default=120, ge=5, le=3_600, description="wall seconds after which a decision in flight is given up"
    )
    reuse_drift_pct: float = Field(
        default=0.1, ge=0, le=10, description="percent that a price may move before a decision is not used again"
    )
    dead_letter_queue: int = Field(default=10_000, ge=1, description="bad ticks that wait to be put aside")

    def bounds(self) -> Bounds:
        return Bounds(
            max_out_of_order=self.max_out_of_order,
            close_grace=self.close_grace,
            max_tick_age=self.tick_age,
            max_symbols=self.max_symbols,
        )

    def limits(self) -> CycleLimits:
        return CycleLimits(
            spread=self.trigger_spread,
            inflight_deadline=self.inflight_deadline,
            drift=self.reuse_drift_pct / 100,
            concurrency=self.context_concurrency,
        )
