"""HTTP and WebSocket of a futures exchange of Binance's family on loopback, with documented replies and faults.

Paths are `/<host that was meant>/<api>/v<n>/<name>`: versions are served alike.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from aiohttp import WSMsgType, web

from tests.fakes.exchange.book import SYMBOLS, Book, Position, Refusal
from tests.fakes.exchange.listing import algo_order, leverage_brackets, listed_symbol

Kind = Literal["aster", "binanceusdm"]
PRIVATE = (
    *("order", "algoOrder", "openOrders", "openAlgoOrders", "allOpenOrders", "positionRisk", "account", "balance"),
    *("leverage", "marginType", "symbolConfig", "leverageBracket", "commissionRate", "userTrades"),
    *("countdownCancelAll", "listenKey", "builder", "approveBuilder"),
)


@dataclass(frozen=True)
class Fault:
    """What the next request of a name meets. `accepted`: it is carried out, but the answer is the fault's."""

    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    accepted: bool = False
    drop: bool = False
    delay_s: float = 0.0


@dataclass
class Asked:
    method: str
    name: str
    query: dict[str, str]


class ExchangeFake:
    """`skew_ms`: how far its clock is ahead of ours."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.book = Book(algo=kind == "binanceusdm")
        self.asked: list[Asked] = []
        self.faults: dict[str, deque[Fault]] = {}
        self.skew_ms = 0
        self.can_withdraw = False
        self.url = ""
        self.listen_keys: list[str] = []
        self.sockets: set[web.WebSocketResponse] = set()
        self.public: set[web.WebSocketResponse] = set()
        self.klines: list[list[Any]] = []
        self._sent = 0
        self.connected = asyncio.Event()
        self.deaf = False  # nothing reaches the streams

    def fault(self, name: str, *faults: Fault) -> None:
        """For the next requests of `name`, or of one method: `POST order`."""
        self.faults.setdefault(name, deque()).extend(faults)

    def requests(self, name: str, method: str | None = None) -> list[Asked]:
        return [a for a in self.asked if a.name == name and method in (None, a.method)]

    def now_ms(self) -> int:
        return int(time.time() * 1_000) + self.skew_ms

    async def handle(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._socket(request, parts)
        name = "/".join(p for p in parts[2:] if not (p[:1] == "v" and p[1:].isdigit()))
        query = {**request.query, **{k: str(v) for k, v in (await request.post()).items()}}
        self.asked.append(Asked(request.method, name, query))
        self.book.now_ms = self.now_ms()
        waiting = self.faults.get(f"{request.method} {name}") or self.faults.get(name)
        fault = waiting.popleft() if waiting else None
        if fault is not None and not fault.accepted:
            return await self._faulty(request, fault)
        try:
            if name in PRIVATE and not (name == "listenKey" and self.kind == "binanceusdm"):  # asks for the key alone
                self._signed(query)
            answer: Any = self._answer(request.method, name, query, parts[1])
            status = 200
        except Refusal as refusal:
            answer, status = refusal.body, refusal.status
        await self.push()
        return web.json_response(answer, status=status) if fault is None else await self._faulty(request, fault)

    async def _faulty(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.drop:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.Response(
            status=fault.status, text=fault.body, headers=fault.headers, content_type="application/json"
        )

    def _signed(self, query: dict[str, str]) -> None:
        now = self.now_ms()
        if "nonce" in query:
            if abs(int(query["nonce"]) // 1_000 - now) > 5_000:
                raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
            return
        signed, window = int(query.get("timestamp", 0)), int(query.get("recvWindow", 5_000))
        if not (signed < now + 1_000 and now - signed <= window):
            raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")

    def _answer(self, method: str, name: str, query: dict[str, str], api: str) -> Any:
        routes: dict[str, Callable[[], Any]] = {
            "time": lambda: {"serverTime": self.now_ms()},
            "exchangeInfo": lambda: self._info(spot=api == "api"),
            "order": lambda: self._order(method, query, algo=False),
            "algoOrder": lambda: self._order(method, query, algo=True),
            "openOrders": lambda: self.book.open(query.get("symbol"), algo=False),
            "openAlgoOrders": lambda: [algo_order(o) for o in self.book.open(query.get("symbol"), algo=True)],
            "positionRisk": lambda: self._risk(query.get("symbol")),
            "account": self._account,
            "balance": lambda: self._account()["assets"],
            "leverage": lambda: self._leverage(query),
            "marginType": lambda: self._margin(query),
            "symbolConfig": lambda: [self._config(s) for s in SYMBOLS if query.get("symbol") in (None, s)],
            "leverageBracket": lambda: [leverage_brackets(s) for s in SYMBOLS if query.get("symbol") in (None, s)],
            "commissionRate": lambda: {
                "symbol": query["symbol"],
                "makerCommissionRate": "0.0002",
                "takerCommissionRate": "0.0005",
            },
            "premiumIndex": lambda: self._premium(query.get("symbol")),
            "fundingInfo": lambda: [{"symbol": s, "fundingIntervalHours": 8} for s in SYMBOLS],
            "userTrades": lambda: [t for t in self.book.trades if t["symbol"] == query["symbol"]],
            "countdownCancelAll": lambda: {"symbol": query["symbol"], "countdownTime": query["countdownTime"]},
            "listenKey": lambda: self._listen_key(method),
            "account/apiRestrictions": lambda: {"enableWithdrawals": self.can_withdraw, "enableFutures": True},
            "klines": lambda: self._klines(query),
            "openInterest": lambda: {"symbol": query["symbol"], "openInterest": "12345.678", "time": self.now_ms()},
            "builder": list,
        }
        if name not in routes:
            raise Refusal(-5000, f"Path {name}, Method {method} is invalid", 404)
        return routes[name]()

    def _order(self, method: str, query: dict[str, str], *, algo: bool) -> Any:
        client_id = query.get("clientAlgoId" if algo else "origClientOrderId")
        number = query.get("algoId" if algo else "orderId")
        if method == "POST":
            made = self.book.place(query, algo=algo)
        elif method == "DELETE":
            made = self.book.cancel(client_id, number, algo=algo)
        else:
            made = dict(self.book.find(client_id, number, algo=algo, missing=-2013))
        return algo_order(made) if algo else made

    def _info(self, *, spot: bool) -> Any:
        if spot:
            return {"symbols": [], "assets": []}
        return {"timezone": "UTC", "serverTime": self.now_ms(), "symbols": [listed_symbol(s) for s in SYMBOLS]}

    def _risk(self, symbol: str | None) -> Any:
        return [self._position(s) for s in SYMBOLS if symbol in (None, s)]

    def _position(self, symbol: str) -> dict[str, Any]:
        held, mark = self.book.positions.get(symbol, Position()), self.book.prices[symbol]
        config = self._config(symbol)
        return {
            **{
                "symbol": symbol,
                "positionAmt": str(held.amount),
                "entryPrice": str(held.entry),
                "markPrice": str(mark),
            },
            **{"unRealizedProfit": str((mark - held.entry) * held.amount), "liquidationPrice": "0"},
            **{"leverage": str(config["leverage"]), "marginType": config["marginType"].lower(), "positionSide": "BOTH"},
            **{"isolatedMargin": "0", "isolatedWallet": str(abs(held.amount) * held.entry / config["leverage"])},
            **{"notional": str(mark * held.amount), "marginAsset": "USDT", "updateTime": self.now_ms()},
            **{"maxNotionalValue": "1000000", "isAutoAddMargin": "false", "initialMargin": "0", "maintMargin": "0"},
        }

    def _config(self, symbol: str) -> dict[str, Any]:
        margin, leverage = self.book.margin.get(symbol, "CROSSED"), self.book.leverage.get(symbol, 20)
        return {"symbol": symbol, "marginType": margin, "isAutoAddMargin": "false", "leverage": leverage}

    def _account(self) -> dict[str, Any]:
        wallet = str(self.book.wallet)
        asset = {
            **{"asset": "USDT", "walletBalance": wallet, "balance": wallet, "crossWalletBalance": wallet},
            **{"availableBalance": wallet, "marginBalance": wallet, "unrealizedProfit": "0", "initialMargin": "0"},
        }
        return {"assets": [asset], "positions": self._risk(None), "canTrade": True}

    def _leverage(self, query: dict[str, str]) -> Any:
        self.book.leverage[query["symbol"]] = int(query["leverage"])
        return {"leverage": int(query["leverage"]), "maxNotionalValue": "1000000", "symbol": query["symbol"]}

    def _margin(self, query: dict[str, str]) -> Any:
        if self.book.margin.get(query["symbol"], "CROSSED") == query["marginType"]:
            raise Refusal(-4046, "No need to change margin type.")
        self.book.margin[query["symbol"]] = query["marginType"]
        return {"code": 200, "msg": "success"}

    def _premium(self, symbol: str | None) -> Any:
        hours8 = 8 * 3_600_000
        rows = [
            {
                **{"symbol": s, "markPrice": str(p), "indexPrice": str(p), "lastFundingRate": "0.00010000"},
                **{"nextFundingTime": (self.now_ms() // hours8 + 1) * hours8, "interestRate": "0.0001"},
                "time": self.now_ms(),
            }
            for s, p in self.book.prices.items()
        ]
        return rows if symbol is None else next(r for r in rows if r["symbol"] == symbol)

    def _klines(self, query: dict[str, str]) -> Any:
        since, limit = int(query.get("startTime", 0)), int(query.get("limit", 500))
        return [row for row in self.klines if row[0] >= since][:limit]

    def _listen_key(self, method: str) -> Any:
        if method == "POST":
            self.listen_keys.append(f"listen{len(self.listen_keys)}")
            return {"listenKey": self.listen_keys[-1]}
        return {}

    async def _socket(self, request: web.Request, parts: list[str]) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        key = request.query.get("listenKey", parts[-1])  # binance's is in the query, aster's in the path
        kept = self.sockets if key in self.listen_keys else self.public
        kept.add(socket)
        self.connected.set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and "SUBSCRIBE" in message.data:
                    await socket.send_json({"result": None, "id": message.json().get("id")})
        finally:
            kept.discard(socket)
        return socket

    async def push(self) -> None:
        """Send what happened since the last time to the user streams."""
        fresh, self._sent = self.book.events[self._sent :], len(self.book.events)
        for socket in () if self.deaf else tuple(self.sockets):
            for event in fresh:
                with suppress(ConnectionError):
                    await socket.send_json(event)

    async def repeat(self) -> None:
        """Tell everything again, as venues do after a hiccup."""
        self._sent = 0
        await self.push()

    async def move(self, symbol: str, price: Decimal) -> None:
        self.book.now_ms = self.now_ms()
        self.book.move(symbol, price)
        await self.push()

    async def hang_up(self) -> None:
        for socket in (*self.sockets, *self.public):
            await socket.close()


@asynccontextmanager
async def exchange(kind: Kind) -> AsyncIterator[ExchangeFake]:
    fake = ExchangeFake(kind)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await fake.hang_up()
        await runner.cleanup()
