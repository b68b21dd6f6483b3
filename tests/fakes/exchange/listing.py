"""What the exchange lists of a symbol and of an order, in its own words."""

from typing import Any

from tests.fakes.exchange.book import SYMBOLS


def algo_order(order: dict[str, Any]) -> dict[str, Any]:
    """An order of the algo service, as documented: other names for the same things."""
    status = {"FILLED": "FINISHED"}.get(order["status"], order["status"])
    return {
        **{"algoId": order["orderId"], "clientAlgoId": order["clientOrderId"], "algoType": "CONDITIONAL"},
        **{"orderType": order["type"], "symbol": order["symbol"], "side": order["side"], "positionSide": "BOTH"},
        **{"timeInForce": order["timeInForce"], "quantity": order["origQty"], "algoStatus": status},
        **{"triggerPrice": order["stopPrice"], "price": order["price"], "workingType": order["workingType"]},
        **{"reduceOnly": order["reduceOnly"], "closePosition": False, "priceProtect": False},
        **{"createTime": order["time"], "updateTime": order["updateTime"]},
    }


def listed_symbol(symbol: str) -> dict[str, Any]:
    tick, step = SYMBOLS[symbol]
    base = symbol.removesuffix("USDT")
    return {
        **{"symbol": symbol, "pair": symbol, "contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000},
        **{"onboardDate": 1_569_398_400_000, "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT"},
        **{"marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "underlyingType": "COIN"},
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "stepSize": step, "maxQty": "1000", "minQty": step},
            {"filterType": "MARKET_LOT_SIZE", "stepSize": step, "maxQty": "120", "minQty": step},
            {"filterType": "MIN_NOTIONAL", "notional": "5", "minNotional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95", "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def leverage_brackets(symbol: str) -> dict[str, Any]:
    rows = [
        {
            "bracket": 1,
            "initialLeverage": 125,
            "notionalCap": 50_000,
            "notionalFloor": 0,
            "maintMarginRatio": 0.004,
            "cum": 0,
        },
        {
            **{"bracket": 2, "initialLeverage": 100, "notionalCap": 600_000, "notionalFloor": 50_000},
            **{"maintMarginRatio": 0.005, "cum": 50},
        },
    ]
    return {"symbol": symbol, "brackets": rows}
