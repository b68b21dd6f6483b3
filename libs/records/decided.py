"""What the ledger keeps of decisions, read as calls of models and as the decisions of an experiment's arms."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from libs.analytics.experiments import Decided
from libs.analytics.forward import Leg
from libs.analytics.usage import UsageCall
from libs.records.collections import DECISIONS
from libs.records.outcomes import prices_after
from libs.records.reading import RecordsDb, of_accounts
from libs.runtime.mongo import Document
from libs.schemas import ids
from libs.schemas.decision import LIVE, TokenUsage
from libs.schemas.experiment import Experiment

MOST = 50_000  # decisions of one report: beyond that the newest count
SIGNS = {"buy": 1, "sell": -1}
BASELINE = LIVE.name
Kept = Mapping[tuple[str, str], Mapping[timedelta, float]]
"""Prices after each horizon, by decision and asset."""


def calls_of(row: Mapping[str, Any]) -> Iterator[UsageCall]:
    """The calls of a document of `decisions`."""
    for call in row.get("calls") or ():
        tokens = call.get("usage")
        yield UsageCall(
            account_id=row["account_id"],
            strategy_id=(row.get("strategy") or {}).get("id", "unknown"),
            model=call["model_requested"],
            at=row["created_at"],
            outcome=call["outcome"],
            latency_ms=call["latency_ms"],
            cost_usd=call.get("cost_usd"),
            tokens=TokenUsage.model_validate(tokens) if tokens else None,
            session=row.get("session"),
            shadow=bool((row.get("arm") or {}).get("shadow")),
            called_at=_time(call.get("called_at")),
        )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def decided_of(row: Mapping[str, Any], arm: str, kept: Kept) -> Decided | None:
    """A document of `decisions` as arm `arm`'s; None while it has not ended."""
    if "terminal_at" not in row:
        return None
    asked, prices = (row.get("decision") or {}).get("decisions", ()), _prices(row)
    costs = [call.get("cost_usd") for call in row.get("calls") or ()]
    judged = [(one["action"], leg) for one in asked if (leg := _bought(row["_id"], one["asset"], prices, kept))]
    return Decided(
        arm=arm,
        context_id=row["context_id"],
        at=row["terminal_at"],
        abstained=not asked,
        cost_usd=None if None in costs else sum(costs),
        latency_ms=(row.get("timing") or {}).get("model"),
        assets=len(row.get("symbols") or asked),
        legs=tuple(replace(leg, sign=SIGNS[action]) for action, leg in judged if action in SIGNS),
        market=tuple(leg for _, leg in judged),
    )


def _bought(decision_id: str, asset: str, prices: Mapping[str, float], kept: Kept) -> Leg | None:
    price = prices.get(asset)
    return Leg(asset, 1, price, kept.get((decision_id, asset), {})) if price else None


def _prices(row: Mapping[str, Any]) -> Mapping[str, float]:
    """When it was judged; of what was never judged, when it was decided."""
    assets = ((row.get("proposal") or {}).get("facts") or {}).get("assets") or {}
    proposed = {symbol: facts["mark"] for symbol, facts in assets.items()}
    return proposed | ((row.get("judgement") or {}).get("prices_at_validation") or {})


async def calls(db: RecordsDb, since: datetime, accounts: frozenset[str] | None, model: str | None) -> list[UsageCall]:
    """Of the decisions since a market time; None stands for all."""
    query: Document = {"created_at": {"$gte": since}, "calls.0": {"$exists": True}} | of_accounts(accounts)
    if model is not None:
        query["calls.model_requested"] = model
    wanted = {"account_id": 1, "strategy.id": 1, "created_at": 1, "session": 1, "arm": 1} | {
        f"calls.{name}": 1 for name in ("model_requested", "outcome", "latency_ms", "cost_usd", "usage", "called_at")
    }
    found = [call async for row in db[DECISIONS].find(query, wanted) for call in calls_of(row)]
    return [call for call in found if model in (None, call.model)]


async def arms_of(db: RecordsDb, experiment: Experiment) -> list[Decided]:
    """The decisions of the arms since the experiment began; in the shadow also those that counted, as `live`."""
    query: Document = {"arm.experiment": experiment.name, "dry_run": {"$ne": True}}
    if experiment.started_at is not None:
        query["created_at"] = {"$gte": experiment.started_at}
    rows = await db[DECISIONS].find(query, WANTED).sort({"created_at": -1}).limit(MOST).to_list()
    armed = [(row, row["arm"]["name"]) for row in rows]
    if experiment.mode == "shadow":
        beside = sorted({ids.decision_id(row["context_id"], LIVE.name) for row in rows})
        live = await db[DECISIONS].find({"_id": {"$in": beside}}, WANTED).to_list()
        armed += [(row, BASELINE) for row in live]
    kept = await prices_after(db, [row["_id"] for row, _ in armed])
    decided = (decided_of(row, arm, kept) for row, arm in armed)
    return [one for one in decided if one is not None]


WANTED = {
    "context_id": 1,
    "arm": 1,
    "terminal_at": 1,
    "decision.decisions.asset": 1,
    "decision.decisions.action": 1,
    "calls.cost_usd": 1,
    "calls.attempt": 1,
    "timing.model": 1,
    "symbols": 1,
    "proposal.facts.assets": 1,
    "judgement.prices_at_validation": 1,
}
