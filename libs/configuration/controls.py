"""Controls as the API and the command send them, and how they see that an account has carried one out."""

from collections.abc import Iterable
from datetime import datetime

from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.account import AccountState, Control, ControlRequested
from libs.schemas.names import key_of


def requested(control_id: str, scope: str, wanted: Control, by: str, why: str, now: datetime) -> Emit:
    """The message, for one account or `all`; `now` is wall time."""
    body = ControlRequested(control_id=control_id, scope=scope, state=wanted, reason=why, by=by, requested_at=now)
    return Emit(subjects.control_requested(key_of(scope)), body)


def carried_out(wanted: Control, state: AccountState | None) -> bool:
    """Whether the account is as the control wants it: a flattened one is halted and has nothing open."""
    if state is None:
        return False
    if wanted == "flatten":
        return state.trading_state == "halted" and not state.positions
    return state.trading_state == wanted


def still_to_do(wanted: Control, states: Iterable[tuple[str, AccountState | None]]) -> tuple[str, ...]:
    """Accounts that are not as the control wants them. One without a state has never been opened: it does not count."""
    return tuple(name for name, state in states if state is not None and not carried_out(wanted, state))
