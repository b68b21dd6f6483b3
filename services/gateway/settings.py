"""Settings of the gateway."""

from pydantic import Field

from libs.runtime.settings import MongoSettings, RuntimeSettings


class Settings(MongoSettings, RuntimeSettings):
    """`gateway_hosts` are the names under which it may be called, separated by commas; `*` allows every name.

    `feed_interval` and `max_tick_age` mean what they mean to the validator.
    """

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=0, ge=0, le=65535, description="the HTTP API; 0 takes a free port")
    gateway_hosts: str = Field(default="127.0.0.1,localhost,[::1]", description="host names that are answered")

    feed_interval: float = Field(default=15, gt=0, le=3600, description="seconds between a symbol's ticks at most")
    max_tick_age: float | None = Field(
        default=None, gt=0, le=86_400, description="an older newest tick makes an asset stale; 3 feed intervals, 30 s"
    )

    @property
    def tick_age(self) -> float:
        return self.max_tick_age or max(30.0, 3 * self.feed_interval)

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.gateway_hosts.split(",") if name.strip())
