"""Trades, equity, cost, alerts and the audit trail in MongoDB, as the ledger writes them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128
from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from libs.analytics.trades import Trade
from libs.records.trades import STRATEGY_OF_TRADE, trade_of
from libs.schemas.analytics import Alert
from services.gateway.adapters.mongo import Document, answering
from services.gateway.adapters.mongo_records import after
from services.gateway.domain.records import AuditEntry, Window


class MongoAnalytics:
    def __init__(self, db: AsyncDatabase[Document]) -> None:
        self._db = db

    async def trades(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None = None
    ) -> list[Trade]:
        stages: list[Document] = [
            {"$match": {"closed_at": {"$gte": since, "$lt": until}} | _of(accounts)},
            *STRATEGY_OF_TRADE,
        ]
        if strategy_id is not None:
            stages.append({"$match": {"strategy_id": strategy_id}})
        with answering():
            rows = await (await self._db["trades"].aggregate(stages)).to_list()
        return [trade_of(row) for row in rows]

    async def opening_equity(self, account_id: str, at: datetime) -> Decimal | None:
        points, own = self._db["equity"], {"account_id": account_id, "equity": {"$exists": True}}
        with answering():
            found = await points.find_one(own | {"at": {"$lte": at}}, sort=[("at", -1), ("_id", -1)])
            found = found or await points.find_one(own | {"at": {"$gt": at}}, sort=[("at", 1), ("_id", 1)])
        if found is None:
            return None
        value = found["equity"]
        return value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)

    async def model_cost(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None
    ) -> float | None:
        match: Document = {"created_at": {"$gte": since, "$lt": until}, "cost_usd": {"$ne": None}} | _of(accounts)
        if strategy_id is not None:
            match["strategy.id"] = strategy_id
        stages: list[Document] = [{"$match": match}, {"$group": {"_id": None, "cost": {"$sum": "$cost_usd"}}}]
        with answering():
            rows = await (await self._db["decisions"].aggregate(stages)).to_list()
        return float(rows[0]["cost"]) if rows else None

    async def alerts(self, accounts: frozenset[str] | None, open_only: bool, window: Window) -> list[Alert]:
        query = _of(accounts) | after("created_at", window) | ({"acknowledged": None} if open_only else {})
        with answering():
            cursor = self._db["alerts"].find(query).sort({"created_at": -1, "_id": -1}).limit(window.limit)
            return [_alert(row) for row in await cursor.to_list()]

    async def alert(self, alert_id: str) -> Alert | None:
        with answering():
            found = await self._db["alerts"].find_one({"_id": alert_id})
        return _alert(found) if found else None

    async def acknowledge(self, alert_id: str, by: str, at: datetime) -> Alert | None:
        with answering():
            found = await self._db["alerts"].find_one_and_update(
                {"_id": alert_id, "acknowledged": None},
                {"$set": {"acknowledged": {"by": by, "at": at}}},
                return_document=ReturnDocument.AFTER,
            )
        return _alert(found) if found else await self.alert(alert_id)

    async def audit(self, subjects: frozenset[str] | None, window: Window) -> list[AuditEntry]:
        query: Document = {} if subjects is None else {"subject": {"$in": sorted(subjects)}}
        with answering():
            cursor = self._db["audit"].find(query | after("at", window)).sort({"at": -1, "_id": -1})
            rows = await cursor.limit(window.limit).to_list()
        return [AuditEntry.model_validate({"event_id": row["_id"], **row}) for row in rows]


def _of(accounts: frozenset[str] | None) -> dict[str, Any]:
    return {} if accounts is None else {"account_id": {"$in": sorted(accounts)}}


def _alert(row: Document) -> Alert:
    return Alert.model_validate({"alert_id": row["_id"], **row})
