"""What must hold before an account trades with real money. Every missing one is named; nothing is assumed."""

from dataclasses import dataclass
from enum import StrEnum

from libs.schemas.account import Account
from services.executor.domain.differences import LIVE, VENUES


class WhyNotLive(StrEnum):
    """Why an account may not trade live."""

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


TEXTS: dict[WhyNotLive, str] = {
    WhyNotLive.MODE: "its mode is paper; set mode: live on the account",
    WhyNotLive.VENUE: f"its venue is not one for live trading; take one of {', '.join(LIVE)}",
    WhyNotLive.NOT_ALLOWED: "live trading is off here; start the executor with EXECUTOR_ALLOW_LIVE=true",
    WhyNotLive.CREDENTIAL_NAME: "it names no credential; set credential: <name> on the account",
    WhyNotLive.CREDENTIAL: "its credential is not there; set PERPETUA_CREDENTIAL_<NAME>_KEY (and _SECRET), or …_FILE",
    WhyNotLive.CAN_WITHDRAW: "its key can withdraw; make one that can only trade",
    WhyNotLive.SHARED_CREDENTIAL: "another account uses its credential; one credential belongs to one account",
    WhyNotLive.RECONCILE: "its venue was not reconciled yet; see the executor's log for what the venue said",
    WhyNotLive.FOREIGN_POSITIONS: "there are positions that are not ours; close them, or take them over by --adopt",
}


def gates(account: Account, found: Situation) -> tuple[WhyNotLive, ...]:
    """All that is missing, in the order in which one would put it right; () means that the account may trade live."""
    checks = (
        (WhyNotLive.MODE, account.mode != "live"),
        (WhyNotLive.VENUE, account.venue not in VENUES or not VENUES[account.venue].wired),
        (WhyNotLive.NOT_ALLOWED, not found.allowed),
        (WhyNotLive.CREDENTIAL_NAME, account.credential is None),
        (WhyNotLive.CREDENTIAL, not found.credential_present),
        (WhyNotLive.CAN_WITHDRAW, found.can_withdraw is True),
        (WhyNotLive.SHARED_CREDENTIAL, any(user != account.account_id for user in found.users)),
        (WhyNotLive.RECONCILE, not found.reconciled),
        (WhyNotLive.FOREIGN_POSITIONS, bool(found.foreign_positions) and not found.adopt),
    )
    return tuple(missing for missing, holds in checks if holds)


def explain(account_id: str, missing: tuple[WhyNotLive, ...]) -> str:
    """One line for a log, an alert or the terminal."""
    return f"account {account_id} may not trade live: {'; '.join(TEXTS[m] for m in missing)}"
