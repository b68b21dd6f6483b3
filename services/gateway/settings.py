"""Settings of the gateway."""

from pydantic import Field

from libs.runtime.settings import FreshnessSettings, MongoSettings, RuntimeSettings


class Settings(FreshnessSettings, MongoSettings, RuntimeSettings):
    """`gateway_hosts` are the names under which it may be called, separated by commas; `*` allows every name."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=0, ge=0, le=65535, description="the HTTP API; 0 takes a free port")
    gateway_hosts: str = Field(default="127.0.0.1,localhost,[::1]", description="host names that are answered")

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.gateway_hosts.split(",") if name.strip())
