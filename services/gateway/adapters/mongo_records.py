"""The history in MongoDB, as the ledger writes it: see services/ledger/domain for the documents."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128
from pymongo.asynchronous.database import AsyncDatabase

from services.gateway.adapters.mongo import Document, answering
from services.gateway.domain.records import (
    AnsweredRequest,
    DecisionRecord,
    EquityPoint,
    FillRecord,
    HistoryEntry,
    HistoryFilter,
    OrderRecord,
    Window,
)
from services.gateway.domain.summaries import average

_ENTRY = dict.fromkeys(HistoryEntry.model_fields, 1)
# The ledger makes a document and then fills it: between the two there is nothing to show.
_FILLED = {"rank": {"$exists": True}}
_MAX_ROWS = 1_000  # orders or fills of one decision; a ladder on ten assets has 200


class MongoRecords:
    def __init__(self, db: AsyncDatabase[Document]) -> None:
        self._db = db

    async def status(self, decision_id: str) -> str | None:
        with answering():
            found = await self._db["decisions"].find_one({"_id": decision_id, **_FILLED}, {"status": 1})
            if found is not None:
                return str(found["status"])
            asked = await self._db["requests"].find_one({"decision_id": decision_id}, {"answered_by": 1})
            answer = (asked or {}).get("answered_by")
            found = await self._db["decisions"].find_one({"_id": answer, **_FILLED}, {"status": 1}) if answer else None
        return str(found["status"]) if found else "pending" if asked else None

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        with answering():
            found = await self._db["decisions"].find_one({"_id": decision_id, **_FILLED})
            if found is not None:
                return await self._record(found)
            asked = await self._db["requests"].find_one({"decision_id": decision_id})
            if asked is None:
                return None
            answer = asked.get("answered_by")
            found = await self._db["decisions"].find_one({"_id": answer, **_FILLED}) if answer else None
            return await self._record(found) if found else _pending(asked)

    async def history(self, wanted: HistoryFilter, window: Window) -> list[HistoryEntry]:
        query = _FILLED | _match(wanted) | after("created_at", window)
        cursor = self._db["decisions"].find(query, _ENTRY)
        with answering():
            rows = await cursor.sort({"created_at": -1, "_id": -1}).limit(window.limit).to_list()
        return [HistoryEntry.model_validate({"decision_id": row["_id"], **row}) for row in rows]

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]:
        cursor = self._db["orders"].find(_FILLED | {"account_id": account_id} | after("created_at", window))
        with answering():
            rows = await cursor.sort({"created_at": -1, "_id": -1}).limit(window.limit).to_list()
        return [_order(row) for row in rows]

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        query = _FILLED | {"account_id": account_id} | _between("at", since, until) | after("at", window)
        cursor = self._db["equity"].find(query)
        with answering():
            rows = await cursor.sort({"at": -1, "_id": -1}).limit(window.limit).to_list()
        return [(row["_id"], EquityPoint.model_validate(_plain(row))) for row in rows]

    async def _record(self, found: Document) -> DecisionRecord:
        decision_id = found["_id"]
        calls = found.get("calls", [])
        context, request, bodies, orders, fills, answered = await asyncio.gather(
            self._db["contexts"].find_one({"_id": found.get("context_id")}, {"context": 1}),
            self._db["requests"].find_one({"_id": found.get("request_id")}, {"request": 1}),
            self._db["bodies"].find({"_id": {"$in": _hashes(calls)}}).to_list(),
            self._db["orders"].find({"decision_id": decision_id, **_FILLED}).sort({"created_at": 1}).to_list(_MAX_ROWS),
            self._db["fills"].find({"decision_id": decision_id}).sort({"at": 1}).to_list(_MAX_ROWS),
            self._db["requests"].find({"answered_by": decision_id}).sort({"requested_at": 1}).to_list(_MAX_ROWS),
        )
        texts = {body["_id"]: body["text"] for body in bodies}
        proposal, judgement = found.get("proposal", {}), found.get("judgement", {})
        parts = {
            "decision_id": decision_id,
            "request": (request or {}).get("request"),
            "context": (context or {}).get("context"),
            "calls": [_call(call, texts) for call in calls],
            "missing": proposal.get("missing", []),
            "facts_at_proposal": proposal.get("facts"),
            "facts_at_validation": judgement.get("facts"),
            "portfolio_receipts": judgement.get("portfolio_receipts", []),
            "rules_checked": judgement.get("rules_checked"),
            "orders": [_order(row) for row in orders],
            "answered": [AnsweredRequest.model_validate(_answered(row)) for row in answered],
            "fills": [FillRecord.model_validate({"fill_id": row["_id"], **_plain(row)}) for row in fills],
        }
        return DecisionRecord.model_validate(found | parts)


def _answered(row: Document) -> Document:
    """An answer may be stored a moment before its request."""
    body, at = row.get("request") or {}, row.get("outcomes", {}).get("answered")
    return {**row, "request_id": row["_id"], "trigger": body.get("trigger"), "answered_at": at}


def _pending(asked: Document) -> DecisionRecord:
    body = asked["request"]
    return DecisionRecord(
        decision_id=asked["decision_id"],
        request_id=asked["_id"],
        account_id=asked["account_id"],
        status="pending",
        dry_run=body["dry_run"],
        symbols=tuple(body.get("symbols") or ()),
        trigger=body["trigger"],
        context_id=asked["context_id"],
        request=body,
        created_at=asked["requested_at"],
    )


def _match(wanted: HistoryFilter) -> Document:
    exact = {
        "symbols": wanted.symbol,
        "status": wanted.status,
        "actions": wanted.action,
        "strategy.id": wanted.strategy_id,
        "model_used": wanted.model,
    }
    query: Document = {field: value for field, value in exact.items() if value is not None}
    if wanted.accounts is not None:
        query["account_id"] = {"$in": sorted(wanted.accounts)}
    return query | _between("created_at", wanted.since, wanted.until)


def _between(field: str, since: datetime | None, until: datetime | None) -> Document:
    bounds = {operator: value for operator, value in (("$gte", since), ("$lt", until)) if value is not None}
    return {field: bounds} if bounds else {}


def after(field: str, window: Window) -> Document:
    if window.after is None:
        return {}
    at, entry = window.after.at, window.after.id
    return {"$or": [{field: {"$lt": at}}, {field: at, "_id": {"$lt": entry}}]}


def _plain(row: Mapping[str, Any]) -> Document:
    """Decimal128 → Decimal in the flat fields."""
    return {name: value.to_decimal() if isinstance(value, Decimal128) else value for name, value in row.items()}


def _order(row: Mapping[str, Any]) -> OrderRecord:
    plain = _plain(row)
    mean = average(plain.get("filled_notional", Decimal(0)), plain.get("filled", Decimal(0)))
    return OrderRecord.model_validate(plain | {"client_order_id": row["_id"], "average_price": mean})


def _hashes(calls: list[Document]) -> list[str]:
    return [call[f"{kind}_prompt_sha256"] for call in calls for kind in ("system", "user")]


def _call(call: Document, texts: Mapping[str, str]) -> Document:
    prompts = {f"{kind}_prompt": texts.get(call[f"{kind}_prompt_sha256"], "") for kind in ("system", "user")}
    return call | prompts
