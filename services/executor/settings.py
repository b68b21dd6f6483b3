"""Settings of the executor. Live venues come later: no setting here can switch one on."""

from pydantic import Field

from libs.runtime.settings import MongoSettings, RuntimeSettings
from libs.schemas.account import Leg


class Settings(RuntimeSettings, MongoSettings):
    """Leases and checkpoints have fixed times, the paper venue is configured in KV.

    An account whose equity is `max_drawdown_pct` below its highest wallet is halted. `paper_refuses` names legs that
    the paper venue rejects (PERPETUA_PAPER_REFUSES=["stop"]): a fault, to see that no position stays unprotected.
    """

    max_drawdown_pct: float = Field(default=30, gt=0, le=100)
    paper_refuses: tuple[Leg, ...] = ()
