"""What became of a decision, in lines, from the `outcome` of its record."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

HORIZONS = ("1h", "4h", "24h")
ENDS = {"hit_tp": "took its profit", "hit_sl": "was stopped", "closed": "was closed", "liquidated": "was liquidated"}


def lines(outcome: Mapping[str, Any] | None) -> list[str]:
    """None at all where nothing was followed."""
    return [line for asset in (outcome or {}).get("assets", ()) for line in _asset(asset)]


def _asset(asset: Mapping[str, Any]) -> Iterator[str]:
    if asset["action"] in ("buy", "sell"):
        after = ", ".join(_return(asset, horizon) for horizon in HORIZONS)
        yield f"  {asset['asset']} {asset['action']}: {after}"
    if asset.get("status"):
        yield f"  {asset['asset']} {_position(asset)}"


def _return(asset: Mapping[str, Any], horizon: str) -> str:
    value = asset.get(f"return_{horizon}")
    if value is not None:
        return f"{value:+.2f} % after {horizon}"
    why = asset.get("unknown", {}).get(horizon)
    return f"after {horizon} unknown ({why})" if why else f"after {horizon} not yet"


def _position(asset: Mapping[str, Any]) -> str:
    said = f"{_money(asset['realized_pnl'])} net"
    if asset["status"] == "open":
        return f"position is open: {said} so far"
    held = f" after {asset['holding_seconds'] / 60:.0f} min" if asset.get("holding_seconds") is not None else ""
    path = (
        f", at best {asset['mfe']:+.2f} %, at worst {asset['mae']:+.2f} %"
        if asset.get("mfe") is not None and asset.get("mae") is not None
        else ""
    )
    slipped = f", slippage {_money(asset['slippage'])}" if asset.get("slippage") is not None else ""
    return f"position {ENDS[asset['status']]}{held}: {said}{path}{slipped}"


def _money(value: Any) -> str:
    return f"{Decimal(str(value)):+,.2f}"
