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
        outcomes = [_learnt(some) for some in _of_one_document(prices)]
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


def _of_one_document(prices: Sequence[PriceAfter]) -> Iterator[list[PriceAfter]]:
    """What one operation can write: prices of a document after which its assets wait on, or after which they do not."""
    groups: dict[tuple[str, str, bool], list[PriceAfter]] = {}
    for one in prices:
        groups.setdefault((one.due.key, one.due.rank, one.next is None), []).append(one)
    yield from groups.values()


def _learnt(prices: Sequence[PriceAfter]) -> UpdateOne:
    """Nothing where one of them does not wait any more: somebody else wrote it, and the next look finds the rest."""
    first = prices[0].due
    waiting = [{"$elemMatch": {"asset": one.due.asset, "horizon": one.due.horizon}} for one in prices]
    wanted = {"_id": first.key, RANK: first.rank, "due": {"$all": waiting}}
    fields = {name: value for one in prices for name, value in one.fields.items()}
    if prices[0].next is None:
        return UpdateOne(wanted, {"$set": fields, "$pull": {"due": {"asset": {"$in": [p.due.asset for p in prices]}}}})
    on = {f"due.$[p{n}]": one.next for n, one in enumerate(prices)}
    places: list[Mapping[str, Any]] = [
        {f"p{n}.asset": one.due.asset, f"p{n}.horizon": one.due.horizon} for n, one in enumerate(prices)
    ]
    return UpdateOne(wanted, {"$set": {**fields, **on}}, array_filters=places)


def _held(row: Mapping[str, Any]) -> TradeHeld | None:
    """None of a trade that an earlier version stored, or whose opening the log did not have."""
    if "entry_price" not in row or "opened_at" not in row:
        return None
    entry, left_at = float(decimal_of(row["entry_price"])), float(decimal_of(row["exit_price"]))
    return TradeHeld(1 if row["side"] == "long" else -1, entry, left_at, row["opened_at"], row["closed_at"])
