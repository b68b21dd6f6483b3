"""What became of decisions, read from the history: the documents of `outcomes`, with the trades and fills of each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from libs.analytics.accuracy import JudgedEntries, JudgedEntry
from libs.analytics.forward import HORIZONS, signed_move
from libs.records.collections import DECISIONS, FILLED, FILLS, OUTCOMES, TRADES
from libs.records.reading import RecordsDb, decimal_of
from libs.runtime.mongo import Document
from libs.schemas.analytics import AssetOutcome, DecisionOutcome
from libs.schemas.names import key_of

ZERO = Decimal(0)
MOST = 20_000  # decisions of one figure: beyond that the newest count
CHUNK = 2_000
Ended = Literal["hit_tp", "hit_sl", "closed", "liquidated", "open"]
_ENDED: Mapping[str, Ended] = {"target": "hit_tp", "stop": "hit_sl", "liquidation": "liquidated"}
_OF_MODEL: tuple[Document, ...] = (
    {
        "$lookup": {
            "from": DECISIONS,
            "localField": "_id",
            "foreignField": "_id",
            "as": "decision",
            "pipeline": [{"$project": {"model_used": 1}}],
        }
    },
    {"$set": {"model": {"$first": "$decision.model_used"}}},
)


async def of_decision(db: RecordsDb, decision_id: str) -> DecisionOutcome | None:
    """None where nothing was followed: the decision has not ended, wanted nothing, or is of an earlier version."""
    stored = await db[OUTCOMES].find_one({"_id": decision_id, **FILLED})
    if stored is None:
        return None
    own = {"decision_id": decision_id}
    trades = await db[TRADES].find(own | {"pnl": {"$exists": True}}).sort({"opened_at": 1}).to_list()
    fills = await db[FILLS].find(own | {"leg": "entry"}).to_list()
    return outcome_of(stored, trades, fills)


async def judged(
    db: RecordsDb, wanted: Mapping[str, Any], asset: str | None, model: str | None, most: int = MOST
) -> JudgedEntries:
    """The entries of what a query finds: of the newest decisions that count and were not only tried."""
    query = {"shadow": False, "dry_run": False, **wanted}
    if asset is not None:
        query[f"assets.{key_of(asset)}"] = {"$exists": True}
    stages: list[Document] = [{"$match": query}, {"$sort": {"judged_at": -1}}]
    stages += [*_OF_MODEL, {"$match": {"model": model}}] if model is not None else []
    rows = await (await db[OUTCOMES].aggregate([*stages, {"$limit": most + 1}])).to_list()
    cut_at = rows[most - 1]["judged_at"] if len(rows) > most else None
    each = (one for row in rows[:most] for name, one in row["assets"].items() if asset in (None, name))
    return JudgedEntries([entry_of(one) for one in each if one["sign"]], cut_at)


async def prices_after(db: RecordsDb, decisions: Sequence[str]) -> dict[tuple[str, str], dict[timedelta, float]]:
    """By decision and asset, the price after each horizon as far as it was kept."""
    kept: dict[tuple[str, str], dict[timedelta, float]] = {}
    for begin in range(0, len(decisions), CHUNK):
        query = {"_id": {"$in": list(decisions[begin : begin + CHUNK])}, **FILLED}
        async for row in db[OUTCOMES].find(query, {"assets": 1}):
            for asset, one in row["assets"].items():
                kept[row["_id"], asset] = {HORIZONS[name]: price for name, price in one["after"].items()}
    return kept


def outcome_of(
    stored: Mapping[str, Any], trades: Sequence[Mapping[str, Any]], fills: Sequence[Mapping[str, Any]]
) -> DecisionOutcome:
    """Of a document of `outcomes`, with the trades and the fills of entries of its decision."""
    assets = tuple(
        _asset(name, one, _of(name, trades), _of(name, fills)) for name, one in sorted(stored["assets"].items())
    )
    return DecisionOutcome(
        decision_id=stored["_id"], account_id=stored["account_id"], assets=assets, judged_at=stored["judged_at"]
    )


def entry_of(row: Mapping[str, Any]) -> JudgedEntry:
    return JudgedEntry(row["confidence"], _returns(row), frozenset(row["unknown"]))


def _returns(row: Mapping[str, Any]) -> dict[str, float]:
    """By horizon, where the price is known; what is no entry has none."""
    if not row["sign"]:
        return {}
    return {name: signed_move(row["sign"], row["price"], price) for name, price in row["after"].items()}


def _of(asset: str, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["symbol"] == asset]


def _asset(
    name: str, row: Mapping[str, Any], trades: list[Mapping[str, Any]], fills: list[Mapping[str, Any]]
) -> AssetOutcome:
    sign = row["sign"]
    returns = {f"return_{horizon}": value for horizon, value in _returns(row).items()}
    return AssetOutcome(
        asset=name,
        action=row["action"],
        price=row["price"],
        **returns,
        unknown=row["unknown"] if sign else {},
        slippage=_slippage(row["price"], fills),
        **_realised(trades),
    )


def _realised(trades: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the positions that the decision opened; nothing of what it did to those of others."""
    if not trades:
        return {}
    last = trades[-1]
    sums = {name: sum((decimal_of(trade[name]) for trade in trades), ZERO) for name in ("pnl", "fees", "funding")}
    closed = [trade for trade in trades if "closed_at" in trade]
    seen = [trade for trade in closed if trade.get("path_known")]
    whole = len(seen) == len(trades)
    return {
        "realized_pnl": sums["pnl"],
        "fees": sums["fees"],
        "funding": sums["funding"],
        "status": ended_as(last),
        "mfe": max(trade["mfe"] for trade in seen) if whole else None,
        "mae": min(trade["mae"] for trade in seen) if whole else None,
        "holding_seconds": sum(_held_s(trade) for trade in closed) if closed else None,
    }


def ended_as(trade: Mapping[str, Any]) -> Ended:
    if "closed_at" not in trade:
        return "open"
    return "liquidated" if trade.get("liquidated") else _ENDED.get(trade.get("ended_by", ""), "closed")


def _held_s(trade: Mapping[str, Any]) -> float:
    opened: datetime = trade["opened_at"]
    closed: datetime = trade["closed_at"]
    return (closed - opened).total_seconds()


def _slippage(price: float | None, fills: list[Mapping[str, Any]]) -> Decimal | None:
    """What the entries cost more than the price at which they were judged."""
    if price is None or not fills:
        return None
    return sum((_worse(fill, Decimal(str(price))) for fill in fills), ZERO)


def _worse(fill: Mapping[str, Any], price: Decimal) -> Decimal:
    over = (decimal_of(fill["price"]) - price) * decimal_of(fill["quantity"])
    return over if fill["side"] == "buy" else -over
