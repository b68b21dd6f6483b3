"""Settings of the validator."""

from pydantic import Field

from libs.runtime.settings import RuntimeSettings


class Settings(RuntimeSettings):
    """`feed_interval` and `max_tick_age` mean what they mean to the context worker: market seconds."""

    feed_interval: float = Field(default=15, gt=0, le=3600, description="seconds between a symbol's ticks at most")
    max_tick_age: float | None = Field(
        default=None, gt=0, le=86_400, description="an older newest tick makes an asset stale; 3 feed intervals, 30 s"
    )
    mirror_wait: float = Field(
        default=2, ge=0, le=10, description="wall seconds that missing configuration is waited for"
    )
    validator_concurrency: int = Field(default=8, ge=1, le=256, description="proposals in hand at once")

    @property
    def tick_age(self) -> float:
        return self.max_tick_age or max(30.0, 3 * self.feed_interval)
