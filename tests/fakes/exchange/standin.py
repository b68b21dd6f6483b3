"""A stand-in for ccxt's exchange class: the unified methods that CcxtVenue calls, over HTTP to the fake.

It exists because ccxt is not in every environment. It pins OUR adapter to the fake's protocol; it proves nothing about
ccxt: its requests and exceptions follow ccxt's source as read (async_support/aster.py), not ccxt as run. The suite's
`ccxt-*` parameters do that, wherever ccxt is installed.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from services.executor.domain.differences import Differences

HOSTS = {"aster": "fapi.asterdex.com", "binanceusdm": "fapi.binance.com"}
STREAMS = {"aster": "fstream.asterdex.com", "binanceusdm": "fstream.binance.com"}


class BaseError(Exception):
    pass


class ExchangeError(BaseError):
    pass


class AuthenticationError(ExchangeError):
    pass


class BadRequest(ExchangeError):
    pass


class InsufficientFunds(ExchangeError):
    pass


class OperationRejected(ExchangeError):
    pass


class NoChange(OperationRejected):
    pass


class InvalidOrder(ExchangeError):
    pass


class OrderNotFound(InvalidOrder):
    pass


class OrderImmediatelyFillable(InvalidOrder):
    pass


class NetworkError(BaseError):
    pass


class RateLimitExceeded(NetworkError):
    pass


class DDoSProtection(NetworkError):
    pass


class ExchangeNotAvailable(NetworkError):
    pass


class RequestTimeout(NetworkError):
    pass


class InvalidNonce(NetworkError):
    pass


# As ccxt files them: -4116 is a bad request there, and -2025 a rate limit.
EXACT: dict[str, type[BaseError]] = {
    "-1003": RateLimitExceeded,
    "-1007": RequestTimeout,
    "-1021": InvalidNonce,
    "-1022": AuthenticationError,
    "-1111": BadRequest,
    "-2010": InvalidOrder,
    "-2011": OrderNotFound,
    "-2013": OrderNotFound,
    "-2015": AuthenticationError,
    "-2019": InsufficientFunds,
    "-2021": OrderImmediatelyFillable,
    "-2022": OperationRejected,
    "-2025": RateLimitExceeded,
    "-4046": NoChange,
    "-4116": BadRequest,
    "-4164": InvalidOrder,
}
BY_STATUS: dict[int, type[BaseError]] = {
    408: RequestTimeout,
    418: DDoSProtection,
    429: RateLimitExceeded,
    500: ExchangeNotAvailable,
    502: ExchangeNotAvailable,
    503: ExchangeNotAvailable,
    504: RequestTimeout,
}


class StandIn:
    """`timeout_s` is that of one request."""

    def __init__(self, venue: Differences, url: str, timeout_s: float = 0.3) -> None:
        self.id = venue.name
        self.venue = venue
        self.options: dict[str, Any] = dict(venue.options)
        self.urls: dict[str, Any] = {"api": {"fapiPrivate": url}}
        self.markets: Any = {}
        self._url = url
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._queues: dict[str, asyncio.Queue[Any]] = {}
        self._reading: asyncio.Task[None] | None = None

    def milliseconds(self) -> int:
        return time.time_ns() // 1_000_000

    def on_rest_response(self, *given: Any) -> Any:
        return given[5]

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._session.close()

    async def _fetch(self, method: str, name: str, query: Mapping[str, Any], *, api: str = "fapi") -> Any:
        signed = {"nonce": str(self.milliseconds() * 1_000)} if self.venue.signing == "nonce" else {}
        if self.venue.signing == "timestamp":
            signed = {"timestamp": str(self.milliseconds()), "recvWindow": "10000"}
        full = {k: self._text(v) for k, v in {**signed, **query}.items()}
        address = f"{self._url}/{HOSTS[self.id]}/{api}/v1/{name}"
        kind: dict[str, Any] = {"params": full} if method == "GET" else {"data": full}
        try:
            async with self._session.request(method, address, **kind) as response:
                body = await response.text()
                head = dict(response.headers)
                body = self.on_rest_response(response.status, response.reason, address, method, head, body, {}, None)
                self._raise(response.status, str(response.reason), method, address, body)
                return json.loads(body)
        except TimeoutError:
            raise RequestTimeout(f"{self.id} {method} {address}") from None
        except aiohttp.ClientError as error:
            raise ExchangeNotAvailable(f"{self.id} {method} {address} {error}") from None

    def _text(self, value: Any) -> str:
        """As ccxt writes it: its aster form has Python's `True`."""
        return str(value).lower() if isinstance(value, bool) and self.id != "aster" else str(value)

    def _raise(self, status: int, reason: str, method: str, address: str, body: str) -> None:
        try:
            code = str(json.loads(body).get("code", "200")) if body.startswith("{") else "200"
        except ValueError:
            code = "200"
        if code != "200":
            raise EXACT.get(code, ExchangeError)(f"{self.id} {body}")
        if status >= 400:
            raise BY_STATUS.get(status, ExchangeError)(f"{self.id} {method} {address} {status} {reason} {body}")

    async def load_markets(self) -> Any:
        info = await self._fetch("GET", "exchangeInfo", {})
        self.markets = {_unified(row["symbol"]): _market(row) for row in info["symbols"]}
        return self.markets

    async def fetch_time(self) -> int:
        return int((await self._fetch("GET", "time", {}))["serverTime"])

    async def create_order(
        self, symbol: str, kind: str, side: str, amount: float, price: float | None, params: Mapping[str, Any]
    ) -> Any:
        given = dict(params)
        client_id = given.pop("clientOrderId")
        stop, target = given.pop("stopLossPrice", None), given.pop("takeProfitPrice", None)
        query = {"symbol": self._id(symbol), "side": side.upper(), "type": kind.upper(), "quantity": amount, **given}
        if price is not None:
            query["price"] = price
        if self.id == "aster" and self.options.get("builderFee", True):
            await self._fetch("GET", "builder", {})
            query["builder"] = "0xccxt"
        if stop is None and target is None:
            return _order(await self._fetch("POST", "order", {**query, "newClientOrderId": client_id}))
        query["type"] = "STOP_MARKET" if stop is not None else "TAKE_PROFIT_MARKET"
        if self.venue.algo_conditionals:
            query |= {"algoType": "CONDITIONAL", "triggerPrice": stop or target, "clientAlgoId": client_id}
            return _order(await self._fetch("POST", "algoOrder", query))
        return _order(
            await self._fetch("POST", "order", query | {"stopPrice": stop or target, "newClientOrderId": client_id})
        )

    async def cancel_order(self, order_id: str, symbol: str, params: Mapping[str, Any]) -> Any:
        return _order(await self._fetch("DELETE", *self._named(symbol, order_id, params)))

    async def fetch_order(self, order_id: str, symbol: str, params: Mapping[str, Any] | None = None) -> Any:
        return _order(await self._fetch("GET", *self._named(symbol, order_id, params or {})))

    def _named(self, symbol: str, order_id: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        client_id = params.get("clientOrderId")
        if params.get("trigger"):
            return "algoOrder", {"symbol": self._id(symbol), "clientAlgoId": client_id}
        named = {"origClientOrderId": client_id} if client_id else {"orderId": order_id}
        return "order", {"symbol": self._id(symbol), **named}

    async def fetch_open_orders(self, symbol: str | None, since: Any, limit: Any, params: Mapping[str, Any]) -> Any:
        if self.id == "aster" and self.options.get("fetchOpenOrders", {}).get("warnIfNoSymbol", True):
            raise ExchangeError("aster fetchOpenOrders(): WARNING")
        query = {} if symbol is None else {"symbol": self._id(symbol)}
        return [_order(o) for o in await self._fetch("GET", "openAlgoOrders" if params else "openOrders", query)]

    async def fetch_positions(self) -> Any:
        rows = await self._fetch("GET", "positionRisk", {})
        return [{"info": row, "symbol": _unified(row["symbol"])} for row in rows]

    async def fetch_balance(self) -> Any:
        body = await self._fetch("GET", "account", {})
        return {"info": body, "USDT": {}}

    async def set_leverage(self, leverage: int, symbol: str) -> Any:
        return await self._fetch("POST", "leverage", {"symbol": self._id(symbol), "leverage": leverage})

    async def set_margin_mode(self, mode: str, symbol: str) -> Any:
        wanted = "ISOLATED" if mode == "isolated" else "CROSSED"
        return await self._fetch("POST", "marginType", {"symbol": self._id(symbol), "marginType": wanted})

    async def fetch_leverage(self, symbol: str) -> Any:
        row = (await self._fetch("GET", "positionRisk", {"symbol": self._id(symbol)}))[0]
        return {"longLeverage": int(row["leverage"])}

    async def fetch_margin_mode(self, symbol: str) -> Any:
        row = (await self._fetch("GET", "symbolConfig", {"symbol": self._id(symbol)}))[0]
        return {"info": row, "marginMode": row["marginType"].lower()}

    async def fetch_trading_fee(self, symbol: str) -> Any:
        row = await self._fetch("GET", "commissionRate", {"symbol": self._id(symbol)})
        return {"maker": float(row["makerCommissionRate"]), "taker": float(row["takerCommissionRate"])}

    async def fetch_funding_rate(self, symbol: str) -> Any:
        return {"info": await self._fetch("GET", "premiumIndex", {"symbol": self._id(symbol)}), "interval": "8h"}

    async def fetch_market_leverage_tiers(self, symbol: str) -> Any:
        row = (await self._fetch("GET", "leverageBracket", {"symbol": self._id(symbol)}))[0]
        names = {
            "minNotional": "notionalFloor",
            "maintenanceMarginRate": "maintMarginRatio",
            "maxLeverage": "initialLeverage",
        }
        return [{ours: bracket[theirs] for ours, theirs in names.items()} for bracket in row["brackets"]]

    async def fapiPrivateGetV3LeverageBracket(self, query: Mapping[str, Any]) -> Any:
        return await self._fetch("GET", "leverageBracket", query)

    async def fapiPrivatePostV3CountdownCancelAll(self, query: Mapping[str, Any]) -> Any:
        return await self._fetch("POST", "countdownCancelAll", query)

    fapiPrivatePostCountdownCancelAll = fapiPrivatePostV3CountdownCancelAll

    async def sapiGetAccountApiRestrictions(self) -> Any:
        return await self._fetch("GET", "account/apiRestrictions", {}, api="sapi")

    async def fetch_my_trades(self, symbol: str, since: int) -> Any:
        return [_trade(t) for t in await self._fetch("GET", "userTrades", {"symbol": self._id(symbol)})]

    async def watch_orders(self) -> Any:
        return await self._watch("orders")

    async def watch_my_trades(self) -> Any:
        return await self._watch("trades")

    async def watch_positions(self) -> Any:
        return await self._watch("positions")

    async def _watch(self, kind: str) -> Any:
        queue = self._queues.setdefault(kind, asyncio.Queue())
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        found = await queue.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def _read(self) -> None:
        try:
            key = (await self._fetch("POST", "listenKey", {}))["listenKey"]
            async with self._session.ws_connect(f"{self._url}/{STREAMS[self.id]}/ws/{key}") as socket:
                async for message in socket:
                    self._take(message.json())
        except (BaseError, aiohttp.ClientError):
            pass
        for queue in self._queues.values():
            queue.put_nowait(NetworkError(f"{self.id} the stream is closed"))

    def _take(self, event: Mapping[str, Any]) -> None:
        if event["e"] == "ORDER_TRADE_UPDATE":
            self._put("orders", [_ws_order(event["o"])])
            if event["o"]["x"] == "TRADE":
                self._put("trades", [_ws_trade(event["o"])])
        else:
            self._put("positions", [{"info": p, "symbol": _unified(p["s"])} for p in event["a"]["P"]])

    def _put(self, kind: str, rows: list[Any]) -> None:
        self._queues.setdefault(kind, asyncio.Queue()).put_nowait(rows)

    def _id(self, symbol: str) -> str:
        return str(self.markets[symbol]["id"])


def _unified(symbol: str) -> str:
    return f"{symbol.removesuffix('USDT')}/USDT:USDT"


def _market(row: Mapping[str, Any]) -> dict[str, Any]:
    filters = {f["filterType"]: f for f in row["filters"]}
    return {
        "id": row["symbol"],
        "symbol": _unified(row["symbol"]),
        "contractSize": 1.0,
        "precision": {
            "price": float(filters["PRICE_FILTER"]["tickSize"]),
            "amount": float(filters["LOT_SIZE"]["stepSize"]),
        },
        "limits": {"amount": {"max": 1_000.0}, "cost": {"min": float(filters["MIN_NOTIONAL"]["notional"])}},
    }


def _order(row: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"STOP_MARKET": "market", "TAKE_PROFIT_MARKET": "market"}
    kind = str(row.get("type") or row.get("orderType"))
    return {
        "info": row,
        "id": str(row.get("orderId") or row.get("algoId")),
        "clientOrderId": row.get("clientOrderId") or row.get("clientAlgoId"),
        "symbol": _unified(row["symbol"]),
        "side": row["side"].lower(),
        "type": kinds.get(kind, kind.lower()),
        "amount": float(row.get("origQty") or row["quantity"]),
        "status": "open",
    }


def _ws_order(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "info": row,
        "id": str(row["i"]),
        "clientOrderId": row["c"],
        "symbol": _unified(row["s"]),
        "side": row["S"].lower(),
        "type": row["o"].lower(),
        "amount": float(row["q"]),
        "triggerPrice": row["sp"],
        "timestamp": row["T"],
    }


def _trade(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{"info": row, "id": str(row["id"]), "order": str(row["orderId"]), "symbol": _unified(row["symbol"])},
        **{
            "side": row["side"].lower(),
            "price": float(row["price"]),
            "amount": float(row["qty"]),
            "timestamp": row["time"],
        },
    }


def _ws_trade(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{"info": row, "id": str(row["t"]), "order": str(row["i"]), "symbol": _unified(row["s"])},
        **{"side": row["S"].lower(), "price": float(row["L"]), "amount": float(row["l"]), "timestamp": row["T"]},
    }
