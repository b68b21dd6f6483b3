"""Settings of the gateway."""

from pathlib import Path

from pydantic import AliasChoices, Field

from libs.runtime.settings import FreshnessSettings, MongoSettings, RedisSettings, RuntimeSettings
from libs.schemas.symbols import canonical
from services.gateway.domain.limits import WRONG_KEYS

_SHIPPED = Path(__file__).resolve().parent / "page"  # by `make wheel`
PAGE = _SHIPPED if _SHIPPED.is_dir() else Path(__file__).resolve().parents[2] / "build" / "page"


class Settings(FreshnessSettings, MongoSettings, RedisSettings, RuntimeSettings):
    """`gateway_hosts` are the names under which it may be called, separated by commas; `*` allows every name."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=0, ge=0, le=65535, description="the HTTP API; 0 takes a free port")
    gateway_hosts: str = Field(default="127.0.0.1,localhost,[::1]", description="host names that are answered")
    gateway_rate_limit: int = Field(default=12_000, ge=1, description="requests of one API key in a minute")
    gateway_wrong_key_limit: int = Field(
        default=WRONG_KEYS,
        ge=1,
        description="API keys that are none, of one address in a minute; more are not looked at",
    )
    gateway_generate_limit: int = Field(
        default=600, ge=1, description="decisions of one account and symbol that are asked for in a minute"
    )
    gateway_streams: int = Field(default=2_000, ge=1, le=20_000, description="streams that are open at once")

    page_dir: Path = Field(default=PAGE, description="where the built page for the browser lies")

    assets: str = Field(
        default="",
        validation_alias=AliasChoices("ASSETS", "assets"),
        description="symbols of an account that is made without any, separated by commas",
    )

    @property
    def symbols(self) -> tuple[str, ...]:
        """In our names; what is none of a market is the feed's to refuse."""
        written = (part.strip() for part in self.assets.split(",") if part.strip())
        return tuple(dict.fromkeys(canonical(part) or part for part in written))

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.gateway_hosts.split(",") if name.strip())
