"""The documents of the collection `trades`, which the ledger writes and the gateway reads."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128

from libs.analytics.trades import Trade

# The strategy of a trade is that of the decision which opened it; the two documents may come in any order.
STRATEGY_OF_TRADE: tuple[dict[str, Any], ...] = (
    {
        "$lookup": {
            "from": "decisions",
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
        pnl=_decimal(row["pnl"]),
        fees=_decimal(row["fees"]),
        funding=_decimal(row["funding"]),
        volume=_decimal(row["volume"]),
        margin=_decimal(row["margin"]),
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        liquidated=row.get("liquidated", False),
    )


def _decimal(value: Decimal128 | Decimal) -> Decimal:
    return value.to_decimal() if isinstance(value, Decimal128) else value
