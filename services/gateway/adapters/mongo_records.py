"""The history in MongoDB, as the ledger writes it: see services/ledger/domain for the documents."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.records import outcomes, reading
from libs.records.collections import CONTEXTS, DECISIONS, EQUITY, FILLED, FILLS, ORDERS, REQUESTS, TRADES
from libs.records.history import history_page
from libs.records.reading import Place, RecordsDb, newest_first, of_accounts, plain
from libs.runtime.mongo import Document
from libs.schemas.analytics import DecisionResult
from services.gateway.adapters.mongo import answering
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.records import (
    TERMINAL,
    AnsweredRequest,
    DecisionRecord,
    EquityPoint,
    FillRecord,
    Found,
    HistoryEntry,
    HistoryFilter,
    OrderRecord,
    TradeRecord,
    Window,
    result_of_record,
)
from services.gateway.domain.summaries import average

_ENTRY = dict.fromkeys(HistoryEntry.model_fields, 1)
_MAX_ROWS = 1_000  # orders or fills of one decision; a ladder on ten assets has 200


class MongoRecords:
    def __init__(self, db: RecordsDb) -> None:
        self._db = db

    async def status(self, decision_id: str) -> str | None:
        with answering():
            stored = await self._filled(decision_id, {"status": 1})
            if stored is not None:
                return str(stored["status"])
            asked = await self._db[REQUESTS].find_one({"decision_id": decision_id}, {"answered_by": 1})
            stored = await self._filled((asked or {}).get("answered_by"), {"status": 1})
        return str(stored["status"]) if stored else "pending" if asked else None

    async def result(self, decision_id: str, request_id: str) -> DecisionResult | None:
        with answering():
            stored, orders = await asyncio.gather(self._filled(decision_id), self._orders_of(decision_id))
            if stored is None:
                asked = await self._db[REQUESTS].find_one({"decision_id": decision_id}, {"answered_by": 1})
                other = (asked or {}).get("answered_by")
                return await self.result(other, request_id) if other else None
        if stored["status"] not in TERMINAL:
            return None
        calls = [_call(call, {}) for call in stored.get("calls", [])]
        parts = {"decision_id": decision_id, "calls": calls, "orders": orders, "portfolio_receipts": _portfolio(stored)}
        return result_of_record(DecisionRecord.model_validate(stored | parts), request_id)

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        with answering():
            stored = await self._filled(decision_id)
            if stored is not None:
                return await self._record(stored)
            asked = await self._db[REQUESTS].find_one({"decision_id": decision_id})
            if asked is None:
                return None
            stored = await self._filled(asked.get("answered_by"))
            return await self._record(stored) if stored else _pending(asked)

    async def _filled(self, decision_id: str | None, fields: Document | None = None) -> Document | None:
        return await reading.decision(self._db, decision_id, FILLED, fields) if decision_id else None

    async def history(self, wanted: HistoryFilter, window: Window) -> Found[HistoryEntry]:
        query = {**FILLED, **_match(wanted)}
        with answering():
            rows, ends = await history_page(self._db, query, window.limit, place(window), _ENTRY)
        entries = [HistoryEntry.model_validate({"decision_id": row["_id"], **row}) for row in rows]
        return Found(entries, PagePosition(*ends) if ends else None)

    async def knows(self, account_id: str) -> bool:
        with answering():
            return await self._db[CONTEXTS].find_one({"account_id": account_id}, {"_id": 1}) is not None

    async def trades(self, account_id: str, window: Window) -> list[TradeRecord]:
        query = {"account_id": account_id, "closed_at": {"$exists": True}}
        with answering():
            rows = await newest_first(self._db, TRADES, query, window.limit, place(window))
            opened_by = [row["decision_id"] for row in rows if row.get("decision_id")]
            found = await self._db[DECISIONS].find({"_id": {"$in": opened_by}}, {"strategy.id": 1}).to_list()
        strategies = {row["_id"]: (row.get("strategy") or {}).get("id") for row in found}
        return [_trade(row, strategies.get(row.get("decision_id"))) for row in rows]

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]:
        query = {**FILLED, "account_id": account_id}
        with answering():
            rows = await newest_first(self._db, ORDERS, query, window.limit, place(window))
        return [_order(row) for row in rows]

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        query = {**FILLED, "account_id": account_id, **between("at", since, until)}
        with answering():
            rows = await newest_first(self._db, EQUITY, query, window.limit, place(window))
        return [(row["_id"], EquityPoint.model_validate(plain(row))) for row in rows]

    async def _orders_of(self, decision_id: str) -> list[OrderRecord]:
        of = self._db[ORDERS].find({"decision_id": decision_id, **FILLED})
        return [_order(row) for row in await of.sort({"created_at": 1}).to_list(_MAX_ROWS)]

    async def _record(self, stored: Document) -> DecisionRecord:
        decision_id = stored["_id"]
        calls = stored.get("calls", [])
        context, request, bodies, orders, fills, answered = await asyncio.gather(
            reading.context(self._db, stored.get("context_id")),
            self._db[REQUESTS].find_one({"_id": stored.get("request_id")}, {"request": 1}),
            reading.bodies(self._db, stored),
            self._orders_of(decision_id),
            self._db[FILLS].find({"decision_id": decision_id}).sort({"at": 1}).to_list(_MAX_ROWS),
            self._db[REQUESTS].find({"answered_by": decision_id}).sort({"requested_at": 1}).to_list(_MAX_ROWS),
        )
        texts = {body["_id"]: body["text"] for body in bodies}
        proposal, judgement = stored.get("proposal", {}), stored.get("judgement", {})
        parts = {
            "decision_id": decision_id,
            "request": (request or {}).get("request"),
            "context": context,
            "calls": [_call(call, texts) for call in calls],
            "missing": proposal.get("missing", []),
            "facts_at_proposal": proposal.get("facts"),
            "facts_at_validation": judgement.get("facts"),
            "portfolio_receipts": _portfolio(stored),
            "rules_checked": judgement.get("rules_checked"),
            "orders": orders,
            "outcome": await outcomes.of_decision(self._db, decision_id),
            "answered": [AnsweredRequest.model_validate(_answered(row)) for row in answered],
            "fills": [FillRecord.model_validate({"fill_id": row["_id"], **plain(row)}) for row in fills],
        }
        return DecisionRecord.model_validate(stored | parts)


def _answered(row: Document) -> Document:
    """An answer may be stored a moment before its request."""
    body, at = row.get("request") or {}, row.get("outcomes", {}).get("answered")
    return {**row, "request_id": row["_id"], "trigger": body.get("trigger"), "answered_at": at}


def _portfolio(stored: Document) -> list[Document]:
    receipts: list[Document] = stored.get("judgement", {}).get("portfolio_receipts", [])
    return receipts


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
    return query | of_accounts(wanted.accounts) | between("created_at", wanted.since, wanted.until)


def between(field: str, since: datetime | None, until: datetime | None) -> Document:
    bounds = {operator: value for operator, value in (("$gte", since), ("$lt", until)) if value is not None}
    return {field: bounds} if bounds else {}


def place(window: Window) -> Place | None:
    return (window.after.at, window.after.id) if window.after else None


def _order(row: Mapping[str, Any]) -> OrderRecord:
    order = plain(row)
    mean = average(order.get("filled_notional", Decimal(0)), order.get("filled", Decimal(0)))
    return OrderRecord.model_validate(order | {"client_order_id": row["_id"], "average_price": mean})


def _trade(row: Mapping[str, Any], strategy_id: str | None) -> TradeRecord:
    return TradeRecord.model_validate({**plain(row), "trade_id": row["_id"], "strategy_id": strategy_id})


def _call(call: Document, texts: Mapping[str, str]) -> Document:
    prompts = {f"{kind}_prompt": texts.get(call[f"{kind}_prompt_sha256"], "") for kind in ("system", "user")}
    return call | prompts
