"""What must hold before an account trades with real money. Every missing one is named; nothing is assumed."""

from dataclasses import dataclass
from enum import StrEnum

from libs.schemas.account import Account
from services.executor.domain.differences import LIVE, VENUES


class Lacking(StrEnum):
    """What an account lacks to trade live."""

    MODE = "mode"
    VENUE = "venue"
    NOT_ALLOWED = "not_allowed"
    CREDENTIAL_NAME = "credential_name"
    CREDENTIAL = "credential"
    CAN_WITHDRAW = "can_withdraw"
    SHARED_CREDENTIAL = "shared_credential"
    RECONCILE = "reconcile"
    FOREIGN_POSITIONS = "foreign_positions"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about an account's way to its venue. None: not asked yet, or the venue does not tell.

    `users` are the live accounts that name the same credential, this one included.
    """

    allowed: bool
    credential_present: bool
    can_withdraw: bool | None
    reconciled: bool
    users: tuple[str, ...] = ()
    foreign_positions: tuple[str, ...] = ()
    adopt: bool = False


TEXTS: dict[Lacking, str] = {
    Lacking.MODE: "its mode is paper; set mode: live on the account",
    Lacking.VENUE: f"its venue is not one for live trading; take one of {', '.join(LIVE)}",
    Lacking.NOT_ALLOWED: "live trading is off here; start the executor with EXECUTOR_ALLOW_LIVE=true",
    Lacking.CREDENTIAL_NAME: "it names no credential; set credential: <name> on the account",
    Lacking.CREDENTIAL: "its credential is not there; set PERPETUA_CREDENTIAL_<NAME>_KEY (and _SECRET), or …_FILE",
    Lacking.CAN_WITHDRAW: "its key can withdraw; make one that can only trade",
    Lacking.SHARED_CREDENTIAL: "another account uses its credential; one credential belongs to one account",
    Lacking.RECONCILE: "its venue was not reconciled yet; see the executor's log for what the venue said",
    Lacking.FOREIGN_POSITIONS: "there are positions that are not ours; close them, or take them over by --adopt",
}


def gates(account: Account, found: Situation) -> tuple[Lacking, ...]:
    """All that is missing, in the order in which one would put it right; () means that the account may trade live."""
    checks = (
        (Lacking.MODE, account.mode != "live"),
        (Lacking.VENUE, account.venue not in VENUES or not VENUES[account.venue].wired),
        (Lacking.NOT_ALLOWED, not found.allowed),
        (Lacking.CREDENTIAL_NAME, account.credential is None),
        (Lacking.CREDENTIAL, not found.credential_present),
        (Lacking.CAN_WITHDRAW, found.can_withdraw is True),
        (Lacking.SHARED_CREDENTIAL, any(user != account.account_id for user in found.users)),
        (Lacking.RECONCILE, not found.reconciled),
        (Lacking.FOREIGN_POSITIONS, bool(found.foreign_positions) and not found.adopt),
    )
    return tuple(missing for missing, holds in checks if holds)


def explain(account_id: str, missing: tuple[Lacking, ...]) -> str:
    """One line for a log, an alert or the terminal."""
    return f"account {account_id} may not trade live: {'; '.join(TEXTS[m] for m in missing)}"
