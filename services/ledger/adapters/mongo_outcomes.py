"""Outcomes and the paths of trades in MongoDB."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pymongo
from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase

from libs.analytics.excursions import TradeHeld
from libs.records.collections import OUTCOMES, RANK, TRADES
from libs.records.reading import decimal_of
from services.ledger.domain.outcomes import OutcomeDue, PathSeen, PriceAfter, UnseenTrade

TIMEOUT_S = 10.0
MOST_DECISIONS = 1_000  # of one look: it holds up what else the ledger does for some hundredths of a second
MOST_PATHS = 50
_DUE = {RANK: 1, "judged_at": 1, "due": 1}


class OutcomeDocuments:
    def __init__(self, db: AsyncDatabase[dict[str, Any]]) -> None:
        self._db = db

    async def due(self, come: Mapping[str, datetime]) -> list[OutcomeDue]:
        each = [{"due": {"$elemMatch": {"asset": symbol, "at": {"$lte": at}}}} for symbol, at in sorted(come.items())]
        if not each:
            return []
        with pymongo.timeout(TIMEOUT_S):
            rows = await self._db[OUTCOMES].find({"$or": each}, _DUE).limit(MOST_DECISIONS).to_list()
        return sorted((one for row in rows for one in _of(row, come)), key=lambda one: one.target)

    async def unseen(self, come: Mapping[str, datetime]) -> list[UnseenTrade]:
        each = [
            {"symbol": symbol, "path_known": None, "closed_at": {"$lte": at}} for symbol, at in sorted(come.items())
        ]
        with pymongo.timeout(TIMEOUT_S):
            rows = (
                await self._db[TRADES].find({"$or": each}).sort({"closed_at": 1}).limit(MOST_PATHS).to_list()
                if each
                else []
            )
        return [UnseenTrade(row["_id"], row["symbol"], row["closed_at"], _held(row)) for row in rows]

    async def learn(self, prices: Sequence[PriceAfter], paths: Sequence[PathSeen]) -> None:
        outcomes = [UpdateOne(_as_read(one.due), _update(one)) for one in prices]
        trades = [UpdateOne({"_id": one.trade.key, "path_known": None}, {"$set": one.fields}) for one in paths]
        with pymongo.timeout(TIMEOUT_S):
            if outcomes:
                await self._db[OUTCOMES].bulk_write(outcomes, ordered=False)
            if trades:
                await self._db[TRADES].bulk_write(trades, ordered=False)


def _of(row: Mapping[str, Any], come: Mapping[str, datetime]) -> Iterator[OutcomeDue]:
    for one in row["due"]:
        if one["asset"] in come and one["at"] <= come[one["asset"]]:
            yield OutcomeDue(row["_id"], row[RANK], one["asset"], row["judged_at"], one["horizon"])


def _as_read(due: OutcomeDue) -> dict[str, Any]:
    waiting = {"$elemMatch": {"asset": due.asset, "horizon": due.horizon}}
    return {"_id": due.key, RANK: due.rank, "due": waiting}


def _update(one: PriceAfter) -> dict[str, Any]:
    """Trap: `due.$` is the member that the filter matched."""
    if one.next is None:
        return {"$set": one.fields, "$pull": {"due": {"asset": one.due.asset}}}
    return {"$set": {**one.fields, "due.$": one.next}}


def _held(row: Mapping[str, Any]) -> TradeHeld | None:
    """None of a trade that an earlier version stored, or whose opening the log did not have."""
    if "entry_price" not in row or "opened_at" not in row:
        return None
    entry, left_at = float(decimal_of(row["entry_price"])), float(decimal_of(row["exit_price"]))
    return TradeHeld(1 if row["side"] == "long" else -1, entry, left_at, row["opened_at"], row["closed_at"])
