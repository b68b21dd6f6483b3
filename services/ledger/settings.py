"""Settings of the ledger."""

from pathlib import Path

from pydantic import Field, field_validator

from libs.runtime.settings import MongoSettings, RuntimeSettings
from libs.schemas.subjects import DAY, ORDERS

LOG_DAYS = ORDERS.max_age_s // DAY


class Settings(MongoSettings, RuntimeSettings):
    ledger_batch: int = Field(default=256, ge=1, le=1024, description="at most so many events are stored in one go")
    ledger_keep_days: int = Field(
        default=0, ge=0, le=36_500, description="older months go into the archive, in market time; 0 keeps all"
    )
    ledger_archive_dir: Path = Field(
        default=Path("archive"), description="folder of what PERPETUA_LEDGER_KEEP_DAYS ends"
    )
    ledger_seal_every: float = Field(
        default=300, gt=0, le=86_400, description="seconds between two seals of the history of an account"
    )
    ledger_max_drawdown_pct: float = Field(
        default=20, gt=0, le=100, description="an account that fell further from its peak raises an alert"
    )

    @field_validator("ledger_keep_days")
    @classmethod
    def _longer_than_the_log(cls, days: int) -> int:
        """What the log still holds may come again, and would then be half of what it was."""
        if 0 < days < LOG_DAYS:
            raise ValueError(f"the log holds {LOG_DAYS} days: keep at least as many, or 0 for all")
        return days
