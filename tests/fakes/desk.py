"""A gateway to its page, without a market behind it: it answers what is asked, and says what it is told.

Decisions are as many as wanted, and are made when they are asked for.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response, WebSocket
from fastapi.responses import FileResponse

from tests import builders
from tests.builders import T0

ACCOUNTS = ("first", "second")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PRICE = 100.0


@dataclass
class FakeDesk:
    """`say` reaches the page that is connected; `decisions` stand behind the list."""

    page: Path
    decisions: int = 10_000
    url: str = ""
    _line: WebSocket | None = None
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _said: int = 0

    async def say(self, kind: str, channel: str | None, account: str | None, data: dict[str, Any]) -> None:
        await self._opened.wait()
        assert self._line is not None
        self._said += 1
        event = {"id": f"1.{self._said}", "type": kind, "channel": channel, "account_id": account, "data": data}
        await self._line.send_text(json.dumps(event))

    async def happens(self, number: int) -> None:
        """The next event of a busy market: nine ticks in ten, else an order, a fill or a decision."""
        kinds = (("order.filled", "orders"), ("position.updated", "positions"), ("decision.validated", "decisions"))
        if number % 10:
            price = PRICE + number % 97 / 100
            at = (T0 + timedelta(milliseconds=5 * number)).isoformat()
            tick = {"symbol": SYMBOLS[number % len(SYMBOLS)], "price": price, "ts": at}
            await self.say("market.tick", "market", None, tick)
        else:
            kind, channel = kinds[number // 10 % len(kinds)]
            self.decisions += channel == "decisions"
            await self.say(kind, channel, ACCOUNTS[number % len(ACCOUNTS)], {})

    def app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.add_api_websocket_route("/api/v1/stream", self._stream)
        app.add_api_route("/api/v1/decisions/history", self._history)
        app.add_api_route("/api/v1/{path:path}", self._answer, methods=["GET", "POST"])
        app.add_api_route("/{path:path}", self._file)
        return app

    async def _stream(self, line: WebSocket) -> None:
        await line.accept()
        await line.receive_text()
        self._line = line
        self._opened.set()
        await self.say("stream.opened", None, None, {})
        with contextlib.suppress(RuntimeError):  # it has gone
            while (await line.receive())["type"] != "websocket.disconnect":
                pass
        self._opened.clear()

    async def _file(self, path: str) -> Response:
        return FileResponse(self.page / (path or "index.html"), media_type=KINDS.get(Path(path).suffix, "text/html"))

    async def _history(self, limit: int = 50, cursor: int | None = None) -> Any:
        newest = self.decisions if cursor is None else cursor
        oldest = max(0, newest - limit)
        items = [_decision(number) for number in range(newest, oldest, -1)]
        return {"items": items, "next": str(oldest) if oldest else None}

    async def _answer(self, path: str) -> Any:
        _, _, last = path.rpartition("/")
        symbol = path.split("/")[1] if path.startswith("market/") else "BTCUSDT"
        if path in STILL:
            return STILL[path]
        if last == "state":
            return json.loads(_state(path.split("/")[1]))
        if last == "candles":
            bars = [builders.candle(symbol, open_time=T0 + timedelta(minutes=n)) for n in range(200)]
            return {"items": [json.loads(bar.model_dump_json()) for bar in bars]}
        if last == "rules":
            return json.loads(builders.venue(symbol).model_dump_json())
        if path.startswith("market/"):
            return {"tick": {"symbol": symbol, "price": PRICE, "ts": T0.isoformat()}}
        if path.startswith("strategies/") and last not in ("alerts", "available"):
            return json.loads(builders.strategy().model_dump_json())
        return {"items": _equity() if last == "equity" else []}


def _state(account: str) -> str:
    positions = tuple(builders.position(symbol) for symbol in SYMBOLS)
    return builders.state(account, positions=positions).model_dump_json()


def _equity() -> list[dict[str, Any]]:
    return [{"at": (T0 - timedelta(minutes=n)).isoformat(), "equity": str(10_000 + n % 13)} for n in range(500)]


def _decision(number: int) -> dict[str, Any]:
    at = T0 + timedelta(minutes=number)
    decision = json.loads(builders.decision(builders.entry()).model_dump_json())
    model = {"model_used": "builtin/trend", "reason": None, "decision": decision}
    shown = {"decision_id": f"d{number}", "account_id": ACCOUNTS[number % 2], "created_at": at.isoformat()}
    return {**shown, **model, "status": "accepted", "dry_run": False, "arm": {"shadow": False}}


STILL: dict[str, Any] = {
    "sign-in": {"token": "perp_fake", "scopes": ["read", "trade"], "accounts": None},
    "stream/tickets": {"ticket": "fake"},
    "accounts": {"items": [json.loads(builders.account(name, symbols=SYMBOLS).model_dump_json()) for name in ACCOUNTS]},
    "monitoring/summary": {"market_time": None, "workers": 8, "workers_ready": 8, "most_waiting": 0, "stores": {}},
}


@contextlib.asynccontextmanager
async def fake_desk(page: Path) -> AsyncIterator[FakeDesk]:
    """Served on a port of its own."""
    desk = FakeDesk(page)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        desk.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(desk.app(), log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield desk
        finally:
            server.should_exit = True
            await serving
