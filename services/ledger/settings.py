"""Settings of the ledger."""

from pydantic import Field

from libs.runtime.settings import MongoSettings, RuntimeSettings


class Settings(MongoSettings, RuntimeSettings):
    ledger_batch: int = Field(default=256, ge=1, le=1024, description="at most so many events are stored in one go")
    ledger_max_drawdown_pct: float = Field(
        default=20, gt=0, le=100, description="an account that fell further from its peak raises an alert"
    )
