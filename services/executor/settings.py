"""Settings of the executor."""

from pydantic import AliasChoices, Field

from libs.runtime.settings import FreshnessSettings, MongoSettings, RuntimeSettings
from libs.schemas.account import Leg


class Settings(FreshnessSettings, RuntimeSettings, MongoSettings):
    """Leases and checkpoints have fixed times, the paper venue is configured in KV.

    An account whose equity is `max_drawdown_pct` below its highest wallet is halted. `paper_refuses` names legs that
    the paper venue rejects (PERPETUA_PAPER_REFUSES=["stop"]): a fault, to see that no position stays unprotected.
    `allow_live` alone switches nothing on: domain/live.py names all that a live account needs.
    """

    max_drawdown_pct: float = Field(default=30, gt=0, le=100)
    paper_refuses: tuple[Leg, ...] = ()
    allow_live: bool = Field(
        default=False,
        validation_alias=AliasChoices("EXECUTOR_ALLOW_LIVE", "allow_live"),
        description="true lets accounts of mode live trade with real money",
    )
    adopt: tuple[str, ...] = Field(
        default=(),
        validation_alias=AliasChoices("EXECUTOR_ADOPT", "adopt"),
        description="accounts that take over positions which are at their venue already",
    )
