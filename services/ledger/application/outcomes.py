"""Outcomes follow the market: what it has come far enough for is looked up in its candles and written down.

What is written follows from the end of the decision and the log of candles alone, whoever writes it and when: several
ledgers may, and after a downtime what is due is made up for as far as the log goes back.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from libs.analytics.excursions import excursion
from services.ledger.domain.outcomes import (
    SETTLED,
    OutcomeDue,
    PathSeen,
    PriceAfter,
    UnseenTrade,
    given_up,
    price_after,
)
from services.ledger.metrics import LedgerMetrics
from services.ledger.ports import CandleReader, OutcomeStore

EVERY_S = 1.0
log = logging.getLogger(__name__)


class OutcomeDesk:
    """`away` are the errors that mean: the store does not answer now."""

    def __init__(
        self, store: OutcomeStore, candles: CandleReader, metrics: LedgerMetrics, away: tuple[type[Exception], ...] = ()
    ) -> None:
        self._store, self._candles, self._metrics, self._away = store, candles, metrics, away
        # Symbols that told nothing, until their next candle: what waits for them must not be in the way of others.
        self._in_vain: dict[str, datetime] = {}

    async def run(self) -> None:
        while True:
            try:
                await self.once()
            except self._away as error:
                log.warning("no outcomes are written while MongoDB is away: %s", error)
            await asyncio.sleep(EVERY_S)

    async def once(self) -> int:
        """How many were written."""
        newest = self._candles.newest()
        come = {symbol: at - SETTLED for symbol, at in newest.items() if self._in_vain.get(symbol) != at}
        due, unseen = await self._store.due(come), await self._store.unseen(come)
        prices, paths = self._prices(due, newest), self._paths(unseen, newest)
        await self._store.learn(prices, paths)
        asked = {*(one.asset for one in due), *(one.symbol for one in unseen)}
        told = {*(one.due.asset for one in prices), *(one.trade.symbol for one in paths)}
        self._in_vain |= {symbol: newest[symbol] for symbol in asked - told}
        self._count("price", [one.price is not None for one in prices])
        self._count("path", [one.seen is not None for one in paths])
        return len(prices) + len(paths)

    def _count(self, kind: str, known: Iterable[bool]) -> None:
        for one in known:
            self._metrics.outcomes.labels(kind, "yes" if one else "no").inc()

    def _prices(self, due: Sequence[OutcomeDue], newest: dict[str, datetime]) -> list[PriceAfter]:
        looked_up = (price_after(one, self._candles.closes(one.asset), newest[one.asset]) for one in due)
        return [one for one in looked_up if one is not None]

    def _paths(self, closed: Sequence[UnseenTrade], newest: dict[str, datetime]) -> list[PathSeen]:
        bars = {symbol: self._candles.bars(symbol) for symbol in {one.symbol for one in closed}}
        looked_up = (PathSeen(one, excursion(one.held, bars[one.symbol]) if one.held else None) for one in closed)
        return [one for one in looked_up if one.seen or self._lost(one.trade, newest[one.trade.symbol])]

    def _lost(self, trade: UnseenTrade, newest: datetime) -> bool:
        return trade.held is None or given_up(trade.closed_at, self._candles.closes(trade.symbol), newest)
