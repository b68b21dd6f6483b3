"""Acts by hand as the API and the command send them, and how they see what became of one."""

from datetime import datetime

from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.account import AccountState, ControlRequested, Position
from libs.schemas.acts import Act, ActOutcome, CancelAct
from libs.schemas.names import Key


def act_requested(control_id: str, account_id: Key, act: Act, by: str, why: str, now: datetime) -> Emit:
    """The message; `now` is wall time."""
    body = ControlRequested(
        schema_version=2, control_id=control_id, scope=account_id, act=act, reason=why, by=by, requested_at=now
    )
    return Emit(subjects.control_requested(account_id), body)


def meant(act: Act, state: AccountState | None) -> Position | None:
    """The position that an act is about, as it is seen now."""
    if isinstance(act, CancelAct) or state is None:
        return None
    return next((position for position in state.positions if position.symbol == act.symbol), None)


def pinned(act: Act, position: Position | None) -> Act:
    """The act on this position and no later one, unless it names one itself."""
    if isinstance(act, CancelAct) or act.opened_at is not None or position is None:
        return act
    return act.model_copy(update={"opened_at": position.opened_at})


def outcome_of(control_id: str, state: AccountState | None) -> ActOutcome | None:
    """What the account says of an act; None while it has not come to it, or has forgotten."""
    acts = state.acts if state else ()
    return next((outcome for outcome in reversed(acts) if outcome.control_id == control_id), None)


def carried_through(outcome: ActOutcome | None, state: AccountState | None) -> bool:
    """Whether nothing of an act is on its way any more: one that was sent ends when its orders do."""
    if outcome is None or outcome.result != "sent" or state is None:
        return outcome is not None and outcome.result != "sent"
    working = {order.client_order_id for order in state.open_orders}
    return outcome.kind == "close" and not working & set(outcome.orders)
