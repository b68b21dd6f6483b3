"""Accounts, plans and ended intents as the executor keeps them, read for those who check them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from libs.invariants.rows import BookRow, IntentRow, PlanRow
from libs.records.collections import ACCOUNTS, ORDER_INTENTS, ORDER_PLANS
from libs.records.reading import RecordsDb

_INTENTS = {f"intents.{name}": 1 for name in ("client_order_id", "symbol", "leg", "quantity")}
_PLAN = {"account_id": 1, "account_version": 1, **_INTENTS}
_MONEY = (
    *("initial_balance", "wallet", "realised_total", "fees_total", "funding_total"),
    *("insolvency", "unpaid_clearance"),
)
_BOOK = {name: 1 for name in (*_MONEY, "version", "outbox.event_id", "orders")} | {
    f"plans.{name}": 1 for name in ("_id", *_PLAN)
}


async def books_and_plans(db: RecordsDb) -> tuple[dict[str, BookRow], dict[str, PlanRow]]:
    """Raises pymongo's errors. A plan that is in its account and in the history is counted as carried out."""
    found = await db[ACCOUNTS].find({}, _BOOK).to_list()
    plans = {plan["_id"]: _plan(plan, carried_out=False) for entry in found for plan in entry.get("plans") or ()}
    async for plan in db[ORDER_PLANS].find({}, _PLAN):
        plans[plan["_id"]] = _plan(plan, carried_out=True)
    return {entry["_id"]: _book(entry) for entry in found}, plans


async def ended_intents(db: RecordsDb) -> dict[str, str]:
    """The state in which each one ended."""
    return {entry["_id"]: entry["state"] async for entry in db[ORDER_INTENTS].find({}, {"state": 1})}


def _book(entry: Mapping[str, Any]) -> BookRow:
    money = {name: Decimal(entry.get(name) or "0") for name in _MONEY}
    realised = money["realised_total"]
    if "unpaid_clearance" not in entry:  # of before a loss that the venue bore was in the profit
        realised -= money["insolvency"]
    return BookRow(
        account_id=entry["_id"],
        version=entry["version"],
        initial=money["initial_balance"],
        wallet=money["wallet"],
        gained=realised - money["fees_total"] + money["funding_total"] + money["insolvency"],
        working=frozenset(entry["orders"]),
        untold=frozenset(event["event_id"] for event in entry.get("outbox") or ()),
    )


def _plan(entry: Mapping[str, Any], *, carried_out: bool) -> PlanRow:
    intents = (
        IntentRow(one["client_order_id"], one["symbol"], one["leg"], Decimal(one["quantity"]))
        for one in entry["intents"]
    )
    return PlanRow(entry["_id"], entry["account_id"], entry["account_version"], tuple(intents), carried_out)
