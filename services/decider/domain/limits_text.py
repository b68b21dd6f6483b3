"""The account's limits and costs as sentences with its own numbers; they change only when somebody edits them."""

from libs.risk.promises import sentences
from libs.schemas.context import AccountContext


def limits(account: AccountContext) -> str:
    return "\n".join((
        "Limits of this account. Code enforces each of them after you answer: it denies an entry or makes it smaller.",
        *(f"- {sentence}" for sentence in (*sentences(account), *_costs(account))),
    ))  # fmt: skip


def _costs(account: AccountContext) -> tuple[str, ...]:
    maker, taker = account.maker_fee_bps, account.taker_fee_bps
    return (
        f"fees: maker {maker:g} bps, taker {taker:g} bps a side; a round trip costs {2 * maker:g} bps as maker, "
        f"{maker + taker:g} as maker in and taker out, {2 * taker:g} as taker ({2 * taker / 10:g} USD per 1,000 USD)",
        "a stop fills as taker; a target's distance has to pay both fees before it earns",
        f"{account.margin_mode} margin on {account.venue} ({account.mode})",
    )
