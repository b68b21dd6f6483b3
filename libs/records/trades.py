"""The documents of the collection `trades`, which the ledger writes and the gateway reads."""

from collections.abc import Mapping
from typing import Any

from libs.analytics.trades import Trade
from libs.records.collections import DECISIONS
from libs.records.reading import decimal_of

# The strategy of a trade is that of the decision which opened it; the two documents may come in any order.
STRATEGY_OF_TRADE: tuple[dict[str, Any], ...] = (
    {
        "$lookup": {
            "from": DECISIONS,
            "localField": "decision_id",
            "foreignField": "_id",
            "as": "decision",
            "pipeline": [{"$project": {"strategy": 1}}],
        }
    },
    {"$set": {"strategy_id": {"$first": "$decision.strategy.id"}}},
)


def trade_of(row: Mapping[str, Any]) -> Trade:
    """A closed trade. Raises KeyError for a document without an end."""
    return Trade(
        trade_id=row["_id"],
        account_id=row["account_id"],
        symbol=row["symbol"],
        strategy_id=row.get("strategy_id"),
        pnl=decimal_of(row["pnl"]),
        fees=decimal_of(row["fees"]),
        funding=decimal_of(row["funding"]),
        volume=decimal_of(row["volume"]),
        margin=decimal_of(row["margin"]),
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        liquidated=row.get("liquidated", False),
    )
