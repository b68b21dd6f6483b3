"""Bodies of the routes that control trading."""

import hashlib

from pydantic import BaseModel, Field

from libs.schemas.account import Control
from services.gateway.domain.configuring import Body, Reason


class ControlBody(Body):
    """`reducing` opens nothing new, `halted` likewise until a person says otherwise, `flatten` closes everything."""

    state: Control
    reason: Reason

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ControlTaken(BaseModel):
    """What was asked for, and whether it has taken effect already."""

    control_id: str
    scope: str
    state: Control
    waiting_for: tuple[str, ...] = Field(description="accounts that have not carried it out yet; it is not lost")


def control_id(*parts: str) -> str:
    return "ctl-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
