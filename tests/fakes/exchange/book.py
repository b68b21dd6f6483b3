"""The state of a futures exchange of Binance's family: orders, positions, money, and matching against one price."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

SYMBOLS = {"BTCUSDT": ("0.1", "0.001"), "ETHUSDT": ("0.01", "0.001")}
CONDITIONAL = ("STOP_MARKET", "TAKE_PROFIT_MARKET")
CLOSED = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")
TAKER, MAKER = Decimal("0.0005"), Decimal("0.0002")


Order = dict[str, Any]


class Refusal(Exception):
    """A documented error body."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.body = {"code": code, "msg": message}
        self.status = status


@dataclass
class Position:
    amount: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)


@dataclass
class Book:
    """`partial`: the share of the next match that is filled. Ids of closed orders are free again, as at the venues."""

    algo: bool
    wallet: Decimal = Decimal(10_000)
    prices: dict[str, Decimal] = field(default_factory=lambda: {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000)})
    orders: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    margin: dict[str, str] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    partial: Decimal = Decimal(1)
    rejects_stops: bool = False
    now_ms: int = 0

    def place(self, query: dict[str, str], *, algo: bool) -> dict[str, Any]:
        kind, symbol = query["type"], query["symbol"]
        if symbol not in SYMBOLS:
            raise Refusal(-1121, "Invalid symbol.")
        if kind in CONDITIONAL and self.algo != algo:
            raise Refusal(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints.")
        order = self._order(query, kind, algo)
        if any(o["clientOrderId"] == order["clientOrderId"] and o["status"] not in CLOSED for o in self.orders):
            raise Refusal(-4116, "ClientOrderId is duplicated.")
        self._check(order)
        self.orders.append(order)
        self._told(order, "NEW")
        if kind not in CONDITIONAL:
            self._match(order)
        return dict(order)

    def _order(self, query: dict[str, str], kind: str, algo: bool) -> dict[str, Any]:
        number = 1_000 + len(self.orders)
        return {
            "orderId": number,
            "clientOrderId": query.get("clientAlgoId") or query.get("newClientOrderId") or f"web_{number}",
            "symbol": query["symbol"],
            "side": query["side"],
            "type": kind,
            "origType": kind,
            "timeInForce": query.get("timeInForce", "GTC"),
            "status": "NEW",
            "price": query.get("price", "0"),
            "stopPrice": query.get("stopPrice") or query.get("triggerPrice") or "0",
            "origQty": query["quantity"],
            "executedQty": "0",
            "avgPrice": "0.00000",
            "cumQuote": "0",
            "reduceOnly": query.get("reduceOnly", "false") == "true",
            "closePosition": False,
            "positionSide": "BOTH",
            "workingType": query.get("workingType", "CONTRACT_PRICE"),
            "priceProtect": False,
            "time": self.now_ms,
            "updateTime": self.now_ms,
            "algo": algo,
            "builder": query.get("builder"),
        }

    def _check(self, order: dict[str, Any]) -> None:
        symbol, price = order["symbol"], self.prices[order["symbol"]]
        quantity = Decimal(order["origQty"])
        if quantity % Decimal(SYMBOLS[symbol][1]) != 0:
            raise Refusal(-1111, "Precision is over the maximum defined for this asset.")
        if order["type"] in CONDITIONAL:
            if self.rejects_stops:
                raise Refusal(-2021, "Order would immediately trigger.")
            if self._triggers(order, price):
                raise Refusal(-2021, "Order would immediately trigger.")
            return
        if order["reduceOnly"]:
            held = self.positions.get(symbol, Position()).amount
            if held == 0 or (held > 0) == (order["side"] == "BUY"):
                raise Refusal(-2022, "ReduceOnly Order is rejected.")
            return
        if quantity * price < 5:
            raise Refusal(-4164, "Order's notional must be no smaller than 5.0 (unless you choose reduce only)")
        if quantity * price / self.leverage.get(symbol, 20) > self.wallet:
            raise Refusal(-2019, "Margin is insufficient.")
        if order["timeInForce"] == "GTX" and self._crosses(order, price):
            raise Refusal(
                -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected."
            )

    def find(self, client_id: str | None, number: str | None, *, algo: bool, missing: int) -> Order:
        order: Order
        for order in reversed(self.orders):
            if order["algo"] == algo and (order["clientOrderId"] == client_id or str(order["orderId"]) == number):
                return order
        raise Refusal(missing, "Unknown order sent." if missing == -2011 else "Order does not exist.")

    def cancel(self, client_id: str | None, number: str | None, *, algo: bool) -> dict[str, Any]:
        order = self.find(client_id, number, algo=algo, missing=-2011)
        if order["status"] in CLOSED:
            raise Refusal(-2011, "Unknown order sent.")
        order["status"] = "CANCELED"
        self._told(order, "CANCELED")
        return dict(order)

    def open(self, symbol: str | None, *, algo: bool) -> list[dict[str, Any]]:
        return [
            dict(o)
            for o in self.orders
            if o["algo"] == algo and o["status"] not in CLOSED and symbol in (None, o["symbol"])
        ]

    def move(self, symbol: str, price: Decimal) -> None:
        """The price goes there: what it triggers or crosses is executed."""
        self.prices[symbol] = price
        for order in [o for o in self.orders if o["symbol"] == symbol and o["status"] not in CLOSED]:
            if order["type"] in CONDITIONAL and self._triggers(order, price):
                self._trigger(order, price)
            elif order["type"] == "LIMIT":
                self._match(order)

    def _trigger(self, order: Order, price: Decimal) -> None:
        """A reduce-only order that has nothing to reduce any more expires."""
        held = self.positions.get(order["symbol"], Position()).amount
        if order["reduceOnly"] and (held == 0 or (held > 0) == (order["side"] == "BUY")):
            order["status"] = "EXPIRED"
            self._told(order, "EXPIRED")
        else:
            self._fill(order, Decimal(order["origQty"]), price, TAKER)

    def vanish(self, symbol: str, client_order_id: str = "autoclose-1") -> None:
        """The position is closed without an order of ours: liquidated, deleveraged, or by hand (`web_…`)."""
        order = self._order(
            {"type": "MARKET", "symbol": symbol, "side": "SELL", "quantity": str(self.positions[symbol].amount)},
            "MARKET",
            False,
        ) | {"clientOrderId": client_order_id}
        self.orders.append(order)
        self._fill(order, Decimal(order["origQty"]), self.prices[symbol], TAKER)

    def _match(self, order: dict[str, Any]) -> None:
        price, limit = self.prices[order["symbol"]], Decimal(order["price"])
        if order["type"] == "LIMIT" and not self._crosses(order, price):
            return
        left = Decimal(order["origQty"]) - Decimal(order["executedQty"])
        step = Decimal(SYMBOLS[order["symbol"]][1])
        quantity = (left * self.partial) // step * step
        self.partial = Decimal(1)
        self._fill(order, quantity, limit if order["type"] == "LIMIT" else price, TAKER)
        if order["status"] not in CLOSED and order["type"] == "MARKET":
            order["status"] = "EXPIRED"

    def _fill(self, order: dict[str, Any], quantity: Decimal, price: Decimal, fee_rate: Decimal) -> None:
        held = self.positions.setdefault(order["symbol"], Position())
        signed = quantity if order["side"] == "BUY" else -quantity
        if order["reduceOnly"] and abs(signed) > abs(held.amount):
            quantity, signed = abs(held.amount), -held.amount
        pnl = self._book(held, signed, price)
        fee = quantity * price * fee_rate
        self.wallet += pnl - fee
        done = Decimal(order["executedQty"]) + quantity
        order["executedQty"], order["avgPrice"], order["updateTime"] = str(done), str(price), self.now_ms
        order["cumQuote"] = str(done * price)
        order["status"] = "FILLED" if done >= Decimal(order["origQty"]) or order["reduceOnly"] else "PARTIALLY_FILLED"
        trade = {
            **{"id": 5_000 + len(self.trades), "orderId": order["orderId"], "symbol": order["symbol"]},
            **{"side": order["side"], "price": str(price), "qty": str(quantity), "quoteQty": str(quantity * price)},
            **{"commission": str(fee), "commissionAsset": "USDT", "realizedPnl": str(pnl), "maker": False},
            **{"buyer": order["side"] == "BUY", "positionSide": "BOTH", "time": self.now_ms},
        }
        self.trades.append(trade)
        self._told(order, "TRADE", trade)
        self._account()

    @staticmethod
    def _book(held: Position, signed: Decimal, price: Decimal) -> Decimal:
        if held.amount == 0 or (held.amount > 0) == (signed > 0):
            held.entry = (held.entry * abs(held.amount) + price * abs(signed)) / (abs(held.amount) + abs(signed))
            held.amount += signed
            return Decimal(0)
        pnl = (price - held.entry) * -signed
        held.amount += signed
        return pnl

    @staticmethod
    def _crosses(order: dict[str, Any], price: Decimal) -> bool:
        limit = Decimal(order["price"])
        return limit >= price if order["side"] == "BUY" else limit <= price

    @staticmethod
    def _triggers(order: dict[str, Any], price: Decimal) -> bool:
        stop = Decimal(order["stopPrice"])
        rising = (order["type"] == "STOP_MARKET") == (order["side"] == "BUY")
        return price >= stop if rising else price <= stop

    def _told(self, order: dict[str, Any], execution: str, trade: dict[str, Any] | None = None) -> None:
        """ORDER_TRADE_UPDATE, as documented."""
        body = {
            **{"s": order["symbol"], "c": order["clientOrderId"], "S": order["side"], "o": order["type"]},
            **{"f": order["timeInForce"], "q": order["origQty"], "p": order["price"], "ap": order["avgPrice"]},
            **{"sp": order["stopPrice"], "x": execution, "X": order["status"], "i": order["orderId"]},
            **{"l": trade["qty"] if trade else "0", "z": order["executedQty"], "L": trade["price"] if trade else "0"},
            **{"T": self.now_ms, "t": trade["id"] if trade else 0, "m": False, "R": order["reduceOnly"]},
            **{"wt": order["workingType"], "ot": order["origType"], "ps": "BOTH", "cp": False},
            **({"N": "USDT", "n": trade["commission"], "rp": trade["realizedPnl"]} if trade else {"rp": "0"}),
        }
        self.events.append({"e": "ORDER_TRADE_UPDATE", "E": self.now_ms, "T": self.now_ms, "o": body})

    def _account(self) -> None:
        rows = [
            {
                "s": s,
                "pa": str(p.amount),
                "ep": str(p.entry),
                "cr": "0",
                "up": "0",
                "mt": "isolated",
                "iw": "0",
                "ps": "BOTH",
            }
            for s, p in self.positions.items()
        ]
        money = [{"a": "USDT", "wb": str(self.wallet), "cw": str(self.wallet), "bc": "0"}]
        body = {"m": "ORDER", "B": money, "P": rows}
        self.events.append({"e": "ACCOUNT_UPDATE", "E": self.now_ms, "T": self.now_ms, "a": body})
