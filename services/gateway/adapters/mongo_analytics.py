"""Trades, equity, cost, alerts and the audit trail in MongoDB, as the ledger writes them."""

from datetime import datetime
from decimal import Decimal

from pymongo import ReturnDocument

from libs.analytics.trades import Trade
from libs.analytics.usage import UsageCall
from libs.records import decided
from libs.records.collections import ALERTS, AUDIT, DECISIONS, EQUITY, REQUESTS, TRADES
from libs.records.reading import RecordsDb, decimal_of, newest_first, of_accounts
from libs.records.trades import STRATEGY_OF_TRADE, trade_of
from libs.runtime.mongo import Document
from libs.schemas.analytics import Alert
from services.gateway.adapters.mongo import answering
from services.gateway.adapters.mongo_records import between, place
from services.gateway.domain.decision_figures import Counted, Ended
from services.gateway.domain.records import AuditEntry, AuditFilter, Window

MOST_TIMED = 20_000  # newest decisions of a period whose times make its percentiles
ENDED: Document = {
    "$group": {
        "_id": {"status": "$status", "reason": "$reason"},
        "n": {"$sum": 1},
        "cost": {"$sum": {"$ifNull": ["$cost_usd", 0]}},
        # A decision whose model was asked, and of which nobody knows what that cost.
        "unknown": {
            "$sum": {
                "$cond": [{"$and": [{"$ne": [{"$ifNull": ["$calls", []]}, []]}, {"$lte": ["$cost_usd", None]}]}, 1, 0]
            }
        },
    }
}
ANSWERED: Document = {"$group": {"_id": "$why", "n": {"$sum": 1}}}


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

    async def calls(self, since: datetime, accounts: frozenset[str] | None, model: str | None) -> list[UsageCall]:
        with answering():
            return await decided.calls(self._db, since, accounts, model)

    async def counted(self, since: datetime, until: datetime, accounts: frozenset[str] | None) -> Counted:
        decisions = {"created_at": {"$gte": since, "$lt": until}, "arm.shadow": {"$ne": True}} | of_accounts(accounts)
        requests = {"requested_at": {"$gte": since, "$lt": until}} | of_accounts(accounts)
        with answering():
            ended = await (await self._db[DECISIONS].aggregate([{"$match": decisions}, ENDED])).to_list()
            timed = self._db[DECISIONS].find(decisions | {"timing": {"$exists": True}}, {"timing": 1})
            times = await timed.sort({"created_at": -1, "_id": -1}).limit(MOST_TIMED).to_list()
            asked = await (await self._db[REQUESTS].aggregate([{"$match": requests}, ANSWERED])).to_list()
        return Counted(
            ended=[_ended(row) for row in ended if row["_id"]["status"] is not None],
            times=[_times(row["timing"]) for row in times],
            requests=sum(row["n"] for row in asked),
            answered={row["_id"]: row["n"] for row in asked if row["_id"] is not None},
        )

    async def audit(self, wanted: AuditFilter, window: Window) -> list[AuditEntry]:
        exact = {"who": wanted.who, "kind": wanted.kind}
        query: Document = {name: value for name, value in exact.items() if value is not None}
        query |= {} if wanted.subjects is None else {"subject": {"$in": sorted(wanted.subjects)}}
        query |= between("at", wanted.since, wanted.until)
        with answering():
            rows = await newest_first(self._db, AUDIT, query, window.limit, place(window))
        return [AuditEntry.model_validate({"event_id": row["_id"], **row}) for row in rows]


def _ended(row: Document) -> Ended:
    return Ended(row["_id"]["status"], row["_id"].get("reason"), row["n"], float(row["cost"]), row["unknown"])


def _times(timing: Document) -> tuple[float | None, float | None, float | None]:
    return timing.get("context"), timing.get("model"), timing.get("engine")


def _alert(row: Document) -> Alert:
    return Alert.model_validate({"alert_id": row["_id"], **row})
