"""Why an account does not trade freely, in words, and what leads back."""

from libs.schemas.account import AccountState, TradingStanding


def told(state: AccountState) -> str:
    """`reducing since 05-15 03:12 UTC by executor: 5.02 % of the day's opening equity are lost, …`."""
    standing = state.standing
    if standing is None:
        return f"{state.trading_state} (since when and why is not known: an older version moved it)"
    return f"{state.trading_state} since {standing.since:%m-%d %H:%M} UTC by {standing.by}: {standing.why}"


def way_back(account_id: str, standing: TradingStanding | None, place: str = "") -> str:
    """What lets it trade again; `place` is what the command needs to find this run, as ` --state-dir DIR`."""
    command = f'`perpetua control active --account {account_id} --why "…"{place}`'
    if standing is not None and standing.ends == "day":
        return f"it trades again when the UTC day of the market ends; at once by {command}"
    return f"{command} lets it trade again"
