"""Outcomes in memory, over the same documents as the fake of the read models."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from libs.analytics.excursions import TradeHeld
from libs.records.collections import OUTCOMES, RANK, TRADES
from services.ledger.application.outcomes import OutcomeDesk
from services.ledger.domain.outcomes import OutcomeDue, PathSeen, PriceAfter, UnseenTrade
from services.ledger.metrics import LedgerMetrics
from services.ledger.ports import CandleReader, OutcomeStore
from tests.fakes.ledger_store import Document, FakeStore, set_fields


class FakeOutcomes:
    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def due(self, come: Mapping[str, datetime]) -> list[OutcomeDue]:
        waiting = [(row, one) for row in self._rows(OUTCOMES) for one in row["due"]]
        due = [
            OutcomeDue(row["_id"], row[RANK], one["asset"], row["judged_at"], one["horizon"])
            for row, one in waiting
            if _come(one["asset"], one["at"], come)
        ]
        return sorted(due, key=lambda one: one.target)

    async def unseen(self, come: Mapping[str, datetime]) -> list[UnseenTrade]:
        closed = [row for row in self._rows(TRADES) if "closed_at" in row and row.get("path_known") is None]
        return [
            UnseenTrade(row["_id"], row["symbol"], row["closed_at"], _held(row))
            for row in closed
            if _come(row["symbol"], row["closed_at"], come)
        ]

    async def learn(self, prices: Sequence[PriceAfter], paths: Sequence[PathSeen]) -> None:
        for price in prices:
            row = self._store.collections[OUTCOMES][price.due.key]
            read = (price.due.asset, price.due.horizon)
            waiting = [(one["asset"], one["horizon"]) for one in row["due"]]
            if row[RANK] == price.due.rank and read in waiting:
                set_fields(row, price.fields)
                row["due"] = [price.next if key == read else one for key, one in zip(waiting, row["due"], strict=True)]
                row["due"] = [one for one in row["due"] if one is not None]
        for path in paths:
            row = self._store.collections[TRADES][path.trade.key]
            if row.get("path_known") is None:
                set_fields(row, path.fields)

    def _rows(self, collection: str) -> list[Document]:
        return list(self._store.collections[collection].values())


def _come(symbol: str, at: datetime, come: Mapping[str, datetime]) -> bool:
    return symbol in come and at <= come[symbol]


def _held(row: Mapping[str, Any]) -> TradeHeld | None:
    if "entry_price" not in row:
        return None
    sign = 1 if row["side"] == "long" else -1
    prices = float(row["entry_price"]), float(row["exit_price"])
    return TradeHeld(sign, *prices, row["opened_at"], row["closed_at"])


def outcome_desk(store: OutcomeStore, market: CandleReader) -> OutcomeDesk:
    return OutcomeDesk(store, market, LedgerMetrics(CollectorRegistry()))
