"""Trades, equity, cost, alerts and the audit trail in MongoDB, as the ledger writes them."""

from datetime import datetime
from decimal import Decimal

from pymongo import ReturnDocument

from libs.analytics.trades import Trade
from libs.records.collections import ALERTS, AUDIT, DECISIONS, EQUITY, TRADES
from libs.records.reading import RecordsDb, decimal_of, newest_first, of_accounts
from libs.records.trades import STRATEGY_OF_TRADE, trade_of
from libs.runtime.mongo import Document
from libs.schemas.analytics import Alert
from services.gateway.adapters.mongo import answering
from services.gateway.adapters.mongo_records import place
from services.gateway.domain.records import AuditEntry, Window


class MongoAnalytics:
    def __init__(self, db: RecordsDb) -> None:
        self._db = db

    async def trades(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None = None
    ) -> list[Trade]:
        stages: list[Document] = [
            {"$match": {"closed_at": {"$gte": since, "$lt": until}} | of_accounts(accounts)},
            *STRATEGY_OF_TRADE,
        ]
        if strategy_id is not None:
            stages.append({"$match": {"strategy_id": strategy_id}})
        with answering():
            rows = await (await self._db[TRADES].aggregate(stages)).to_list()
        return [trade_of(row) for row in rows]

    async def opening_equity(self, account_id: str, at: datetime) -> Decimal | None:
        points, own = self._db[EQUITY], {"account_id": account_id, "equity": {"$exists": True}}
        with answering():
            point = await points.find_one(own | {"at": {"$lte": at}}, sort=[("at", -1), ("_id", -1)])
            point = point or await points.find_one(own | {"at": {"$gt": at}}, sort=[("at", 1), ("_id", 1)])
        return decimal_of(point["equity"]) if point else None

    async def model_cost(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None
    ) -> float | None:
        match: Document = {"created_at": {"$gte": since, "$lt": until}, "cost_usd": {"$ne": None}}
        match |= of_accounts(accounts)
        if strategy_id is not None:
            match["strategy.id"] = strategy_id
        stages: list[Document] = [{"$match": match}, {"$group": {"_id": None, "cost": {"$sum": "$cost_usd"}}}]
        with answering():
            rows = await (await self._db[DECISIONS].aggregate(stages)).to_list()
        return float(rows[0]["cost"]) if rows else None

    async def alerts(self, accounts: frozenset[str] | None, open_only: bool, window: Window) -> list[Alert]:
        query = of_accounts(accounts) | ({"acknowledged": None} if open_only else {})
        with answering():
            rows = await newest_first(self._db, ALERTS, query, window.limit, place(window))
        return [_alert(row) for row in rows]

    async def alert(self, alert_id: str) -> Alert | None:
        with answering():
            stored = await self._db[ALERTS].find_one({"_id": alert_id})
        return _alert(stored) if stored else None

    async def acknowledge(self, alert_id: str, by: str, at: datetime) -> Alert | None:
        with answering():
            changed = await self._db[ALERTS].find_one_and_update(
                {"_id": alert_id, "acknowledged": None},
                {"$set": {"acknowledged": {"by": by, "at": at}}},
                return_document=ReturnDocument.AFTER,
            )
        return _alert(changed) if changed else await self.alert(alert_id)

    async def audit(self, subjects: frozenset[str] | None, window: Window) -> list[AuditEntry]:
        query: Document = {} if subjects is None else {"subject": {"$in": sorted(subjects)}}
        with answering():
            rows = await newest_first(self._db, AUDIT, query, window.limit, place(window))
        return [AuditEntry.model_validate({"event_id": row["_id"], **row}) for row in rows]


def _alert(row: Document) -> Alert:
    return Alert.model_validate({"alert_id": row["_id"], **row})
