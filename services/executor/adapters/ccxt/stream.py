"""Fills and account changes of one account: the venue's user stream, and questions while that is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from services.executor.adapters.ccxt.client import Client, Failed
from services.executor.adapters.ccxt.fills import Fills
from services.executor.domain import unified
from services.executor.domain.replies import (
    Balances,
    FillReport,
    Gap,
    OrderReport,
    PositionReport,
    VenueEvent,
)

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
OVERLAP = timedelta(seconds=5)
REMEMBERED = 10_000


class Questions(Protocol):
    """What is asked while the stream is away."""

    async def open_orders(self, symbol: str | None = None) -> Any: ...
    async def positions(self) -> Any: ...
    async def balances(self) -> Balances: ...


class UserStream:
    """Each fill once, by the venue's own id; after every interruption a Gap, and what the venue says now."""

    def __init__(self, client: Client, questions: Questions, fills: Fills) -> None:
        self._client = client
        self._fills = fills
        self._questions = questions
        self._seen: dict[str, None] = {}
        self._symbols: set[str] = set()
        self._heard = client.clock.wall()

    async def events(self) -> AsyncIterator[VenueEvent]:
        """Endless; ends when it is closed."""
        queue: asyncio.Queue[VenueEvent] = asyncio.Queue()
        watches = (("watch_orders", self._order), ("watch_my_trades", self._fill), ("watch_positions", self._position))
        tasks = [asyncio.create_task(self._watch(method, take, queue)) for method, take in watches]
        try:
            while True:
                yield await queue.get()
        finally:
            await end(tasks)

    async def _watch(self, method: str, take: Any, queue: asyncio.Queue[VenueEvent]) -> None:
        failures = 0
        while True:
            try:
                for row in await self._news(method):
                    if (event := take(row)) is not None:
                        queue.put_nowait(event)
                self._heard, failures = self._client.clock.wall(), 0
            except self._client.errors:
                since = self._heard - OVERLAP
                queue.put_nowait(Gap(since))
                await self._ask(method, since, queue)
                await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1

    async def _news(self, method: str) -> Sequence[Any]:
        """What came since the last call. `Differences.streams` names the caches of methods that ccxt has broken."""
        exchange: Any = self._client.exchange
        cache_name = self._client.venue.streams.get(method)
        if cache_name is None:
            rows: Sequence[Any] = await getattr(exchange, method)()
            return rows
        await exchange.authenticate("swap")
        cache = await exchange.watch_multiple(exchange.get_private_url("swap"), [cache_name], None, ["swap"])
        fresh = cache.getLimit(None, None)
        return list(cache)[-fresh:] if fresh else ()

    async def _ask(self, method: str, since: datetime, queue: asyncio.Queue[VenueEvent]) -> None:
        """What the stream would have told, by questions. A venue that answers nothing is asked again next time."""
        with contextlib.suppress(Unavailable, Failed):
            if method == "watch_orders":
                for report in await self._questions.open_orders():
                    queue.put_nowait(report)
            elif method == "watch_positions":
                for position in await self._questions.positions():
                    queue.put_nowait(position)
                queue.put_nowait(await self._questions.balances())
            else:
                for symbol in tuple(self._symbols):
                    for fill in await self._fills.since(symbol, since):
                        if self._is_new(fill):
                            queue.put_nowait(fill)

    def _order(self, row: Any) -> OrderReport | None:
        report = unified.order_report(self._client.venue, row, self._client.size(row))
        if report is not None:
            self._symbols.add(report.symbol)
        if report is not None and report.venue_order_id is not None:
            self._fills.remember(report.venue_order_id, report.client_order_id)
        return report

    def _fill(self, row: Any) -> FillReport | None:
        info = row.get("info") or {}
        client_id = info.get("c") or self._fills.client_id(str(row.get("order")))
        fill = (
            unified.fill_report(self._client.venue, row, str(client_id), self._client.size(row)) if client_id else None
        )
        return fill if fill is not None and self._is_new(fill) else None

    def _is_new(self, fill: FillReport) -> bool:
        """The stream and the answers to questions tell the same fill."""
        key = f"{fill.symbol}:{fill.fill.fill_id}"
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    def _position(self, row: Any) -> PositionReport | None:
        return unified.position_report(self._client.venue, row, self._client.size(row))
