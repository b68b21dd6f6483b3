"""The account's limits and costs as sentences with its own numbers; they change only when somebody edits them."""

from libs.risk.levels import DRIFT_FLOOR, DRIFT_OF_ATR, DRIFT_OF_STOP
from libs.risk.promises import sentences
from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.context import AccountContext


def limits(account: AccountContext) -> str:
    return "\n".join((
        "Limits of this account. Code enforces each of them after you answer: it denies an entry or makes it smaller. "
        "Distances are percent of the price, fees and funding basis points (bps) of the notional.",
        *(f"- {sentence}" for sentence in (*sentences(account), _drift(account), *_costs(account))),
    ))  # fmt: skip


def _drift(account: AccountContext) -> str:
    """The rule `price_drift` of libs/risk/gates.py."""
    shortest = min(account.active_strategy.timeframe_preference, key=TIMEFRAME_SECONDS.__getitem__)
    return (
        "an entry is denied once the mark has moved from what you see by more than "
        f"{DRIFT_OF_ATR:g} × ATR of {shortest} or {DRIFT_OF_STOP:g} × the distance to the "
        f"stop, the smaller of the two, and by more than {DRIFT_FLOOR:.2%}"
    )


def _costs(account: AccountContext) -> tuple[str, ...]:
    maker, taker = account.maker_fee_bps, account.taker_fee_bps
    return (
        f"fees: maker {maker:g} bps, taker {taker:g} bps a side; in and out {2 * maker:g} bps as maker both ways, "
        f"{maker + taker:g} as maker in and taker out, {2 * taker:g} as taker both ways",
        "stops and targets fill as taker; a target's distance has to pay both fees before it earns",
        f"{account.margin_mode} margin on {account.venue} ({account.mode})",
    )
