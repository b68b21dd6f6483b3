"""Settings of the ledger."""

from pydantic import Field

from libs.runtime.settings import MongoSettings, RuntimeSettings


class Settings(MongoSettings, RuntimeSettings):
    """`ledger_concurrency` is the number of events of one stream that a process stores at once."""

    ledger_concurrency: int = Field(default=4, ge=1, le=64)
