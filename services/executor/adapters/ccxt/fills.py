"""Executions by question: the venue's list names orders by its own id, which is looked up where it is new."""

from datetime import datetime
from typing import Any

from services.executor.adapters.ccxt.client import Client, Failed
from services.executor.domain import unified
from services.executor.domain.replies import FillReport, Priority

REMEMBERED = 10_000


class Fills:
    """Of one account."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._client_ids: dict[str, str] = {}

    async def since(self, symbol: str, since: datetime) -> list[FillReport]:
        """Oldest first. Raises Unavailable."""
        name = self._client.symbol(symbol)
        rows = await self._client.ask(Priority.EXIT, "fetch_my_trades", name, int(since.timestamp() * 1_000))
        found = [await self._fill_of(row, name) for row in rows]
        return sorted((fill for fill in found if fill is not None), key=lambda fill: fill.at)

    def remember(self, order: str, client_id: str) -> None:
        self._client_ids[order] = client_id
        if len(self._client_ids) > REMEMBERED:
            del self._client_ids[next(iter(self._client_ids))]

    def client_id(self, order: str) -> str | None:
        return self._client_ids.get(order)

    async def _fill_of(self, row: Any, name: str) -> FillReport | None:
        order = str(row.get("order"))
        if order not in self._client_ids:
            self.remember(order, await self._asked(order, name))
        return unified.fill_report(self._client.venue, row, self._client_ids[order], self._client.size(row))

    async def _asked(self, order: str, name: str) -> str:
        """The client id of a venue's order; one that the venue does not show is nobody's of us."""
        try:
            body = await self._client.ask(Priority.EXIT, "fetch_order", order, name)
        except Failed:
            return f"venue-{order}"
        return str(body.get("clientOrderId"))
