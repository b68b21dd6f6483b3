"""Settings of the ledger."""

from pydantic import Field

from libs.runtime.settings import MongoSettings, RuntimeSettings


class Settings(MongoSettings, RuntimeSettings):
    """`ledger_concurrency` is the number of events of one stream that a process stores at once."""

    ledger_concurrency: int = Field(default=4, ge=1, le=64)
    ledger_max_drawdown_pct: float = Field(
        default=20, gt=0, le=100, description="an account that fell further from its peak raises an alert"
    )
