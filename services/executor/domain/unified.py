"""ccxt's structures as our values. The venue's own strings come before ccxt's floats and before its simplifications.

Trap: ccxt turns STOP_MARKET into "market", and EXPIRED and REJECTED into "canceled"; `info` has what the venue said.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from libs.schemas.account import MarginMode, OrderType, Side
from libs.schemas.orders import Fill, IntentState
from libs.schemas.symbols import ours
from libs.schemas.venue import MarginTier, VenueSymbol
from services.executor.domain.differences import Differences, base_units
from services.executor.domain.replies import (
    Balances,
    Fees,
    FillReport,
    FundingReport,
    OrderReport,
    Placed,
    PositionReport,
)

Body = Mapping[str, Any]
BPS = Decimal(10_000)
ZERO = Decimal(0)
STATES: Final[Mapping[str, IntentState]] = {
    "NEW": "open",
    "ACCEPTED": "open",
    "WORKING": "open",
    "TRIGGERING": "open",
    "TRIGGERED": "open",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "FINISHED": "filled",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
    # ccxt's own words, where the venue's are not known
    "OPEN": "open",
    "CLOSED": "filled",
}
TYPES: Final[Mapping[str, OrderType]] = {
    "MARKET": "market",
    "LIMIT": "limit",
    "STOP_MARKET": "stop_market",
    "TAKE_PROFIT_MARKET": "take_profit_market",
    "LIQUIDATION": "market",
}


def number(value: object) -> Decimal | None:
    """Exact for strings; a float of up to 15 digits gives back the digits that it was made of. None for nothing."""
    if value is None or value == "":
        return None
    made = Decimal(repr(value) if isinstance(value, float) else str(value))
    return made if made.is_finite() else None


def amount(value: object) -> Decimal:
    return number(value) or ZERO


def positive(value: object) -> Decimal | None:
    """Venues write 0 for "no price"."""
    made = number(value)
    return made if made is not None and made > 0 else None


def at(ms: object) -> datetime | None:
    return datetime.fromtimestamp(int(ms) / 1_000, UTC) if isinstance(ms, int | float | str) and ms != "" else None


def order_report(venue: Differences, body: Body, size: Decimal) -> OrderReport | None:
    """An order; None where it is no order of a linear perpetual, or has no id of a client."""
    info = _info(body)
    symbol = ours(str(body.get("symbol")))
    client_id = body.get("clientOrderId") or info.get("clientAlgoId") or info.get("clientOrderId")
    side, kind = str(body.get("side")).lower(), _type(body, info)
    if symbol is None or not client_id or side not in ("buy", "sell") or kind is None:
        return None
    filled = base_units(venue, amount(info.get("executedQty", info.get("z", body.get("filled")))), size)
    quantity = amount(info.get("origQty") or info.get("quantity") or info.get("q") or body.get("amount"))
    return OrderReport(
        client_order_id=str(client_id),
        venue_order_id=_text(body.get("id")),
        symbol=symbol,
        side="buy" if side == "buy" else "sell",
        type=kind,
        quantity=base_units(venue, quantity, size),
        filled=filled,
        state=_state(body, info, filled),
        reduce_only=true(info.get("reduceOnly", info.get("R", body.get("reduceOnly")))),
        price=positive(info.get("price", body.get("price"))),
        stop_price=positive(info.get("stopPrice") or info.get("triggerPrice") or body.get("triggerPrice")),
        average=positive(info.get("avgPrice") or info.get("ap") or body.get("average")),
        at=at(info.get("updateTime") or body.get("lastUpdateTimestamp") or body.get("timestamp")),
    )


def placed(report: OrderReport) -> Placed:
    return Placed(report.client_order_id, report.venue_order_id, report.state, report.filled, report.average)


def position_report(venue: Differences, body: Body, size: Decimal) -> PositionReport | None:
    """An open position; None for an empty one, which venues list too."""
    info = _info(body)
    symbol = ours(str(body.get("symbol")))
    signed = number(info.get("positionAmt", info.get("pa")))
    quantity = base_units(venue, abs(signed) if signed is not None else abs(amount(body.get("contracts"))), size)
    entry = positive(info.get("entryPrice", info.get("ep"))) or positive(body.get("entryPrice"))
    if symbol is None or quantity == 0 or entry is None:
        return None
    mode = margin_mode(body)
    short = signed < 0 if signed is not None else body.get("side") == "short"
    return PositionReport(
        symbol=symbol,
        side="short" if short else "long",
        quantity=quantity,
        entry_price=entry,
        leverage=positive(info.get("leverage") or body.get("leverage")) or Decimal(1),
        margin_mode=mode,
        margin=_margin(body, info) if mode == "isolated" else None,
        mark_price=positive(info.get("markPrice") or body.get("markPrice")),
        liquidation_price=positive(info.get("liquidationPrice") or body.get("liquidationPrice")),
    )


def margin_mode(body: Body) -> MarginMode:
    """Venues say cross, crossed or CROSSED."""
    info = _info(body)
    said = str(info.get("marginType") or info.get("mt") or body.get("marginMode") or "cross").lower()
    return "isolated" if said == "isolated" else "cross"


def balances(body: Body, currency: str = "USDT") -> Balances:
    """The wallet leaves unrealised profit out; ccxt's `total` is with it at some venues."""
    info = body.get("info")
    raw = _asset(info, currency)
    unified: Body = body.get(currency) or {}
    wallet = raw.get("walletBalance") or raw.get("balance") or raw.get("crossWalletBalance") or unified.get("total")
    return Balances(amount(wallet), amount(raw.get("availableBalance") or unified.get("free")))


def fill_report(venue: Differences, body: Body, client_order_id: str, size: Decimal) -> FillReport | None:
    info = _info(body)
    symbol, price = ours(str(body.get("symbol"))), positive(body.get("price"))
    quantity, when = base_units(venue, amount(body.get("amount")), size), at(body.get("timestamp"))
    side = _side(body)
    if symbol is None or price is None or quantity <= 0 or when is None or side is None or body.get("id") is None:
        return None
    fee: Body = body.get("fee") or {}
    made = Fill(
        fill_id=str(body["id"]),
        price=price,
        quantity=quantity,
        fee=amount(info.get("commission") or info.get("n") or fee.get("cost")),
        liquidity="maker" if true(info.get("maker", info.get("m"))) or body.get("takerOrMaker") == "maker" else "taker",
        realized_pnl=amount(info.get("realizedPnl") or info.get("rp")),
    )
    return FillReport(client_order_id, symbol, side, made, when)


def venue_symbol(
    venue: Differences, symbol: str, market: Body, size: Decimal, fees: Fees, tiers: tuple[MarginTier, ...]
) -> VenueSymbol:
    """The rules of a symbol. Raises ValidationError where a figure makes no sense."""
    limits = market.get("limits", {})
    return VenueSymbol(
        venue=venue.name,
        symbol=symbol,
        tick_size=amount(market["precision"]["price"]),
        lot_size=amount(market["precision"]["amount"]) * size,
        min_notional=amount(limits.get("cost", {}).get("min")),
        max_quantity=(positive(limits.get("amount", {}).get("max")) or Decimal(10**9)) * size,
        maker_fee_bps=fees.maker_bps,
        taker_fee_bps=fees.taker_bps,
        tiers=tiers,
    )


def fees(body: Body) -> Fees:
    return Fees(amount(body.get("maker")) * BPS, amount(body.get("taker")) * BPS)


def funding_report(symbol: str, body: Body) -> FundingReport | None:
    """Trap: ccxt's `fundingTimestamp` is the next boundary at these venues; `nextFundingTimestamp` is the one after."""
    info = _info(body)
    when = at(info.get("nextFundingTime") or body.get("fundingTimestamp") or body.get("nextFundingTimestamp"))
    rate = number(info.get("lastFundingRate", body.get("fundingRate")))
    if when is None or rate is None:
        return None
    hours = str(body.get("interval") or "8h").removesuffix("h")
    mark = positive(info.get("markPrice") or body.get("markPrice"))
    return FundingReport(symbol, rate, when, Decimal(hours) if hours.isdigit() else Decimal(8), mark)


def brackets(rows: object) -> tuple[MarginTier, ...]:
    """The venue's own list of brackets: floor, rate and leverage of each."""
    found = rows if isinstance(rows, list) else []
    tiers = [
        MarginTier(
            floor=amount(row.get("notionalFloor")),
            mmr=amount(row.get("maintMarginRatio")),
            max_leverage=min(amount(row.get("initialLeverage")), Decimal(200)),
        )
        for row in found
    ]
    return tuple(sorted(tiers, key=lambda tier: tier.floor))


def unified_tiers(rows: object) -> tuple[MarginTier, ...]:
    found = rows if isinstance(rows, list) else []
    tiers = [
        MarginTier(
            floor=amount(row.get("minNotional")),
            mmr=amount(row.get("maintenanceMarginRate")),
            max_leverage=min(amount(row.get("maxLeverage")), Decimal(200)),
        )
        for row in found
    ]
    return tuple(sorted(tiers, key=lambda tier: tier.floor))


def _info(body: Body) -> Body:
    """The venue's own words; nothing where ccxt put a text (an error page, say) in their place."""
    found = body.get("info")
    return found if isinstance(found, Mapping) else {}


def _type(body: Body, info: Body) -> OrderType | None:
    said = info.get("origType") or info.get("orderType") or info.get("ot") or info.get("type") or body.get("type")
    return TYPES.get(str(said).upper())


def _state(body: Body, info: Body, filled: Decimal) -> IntentState:
    said = info.get("algoStatus") or info.get("status") or info.get("X") or body.get("status") or "open"
    state = STATES.get(str(said).upper(), "unknown")
    return "partially_filled" if state == "open" and filled > 0 else state


def _side(body: Body) -> Side | None:
    side = str(body.get("side")).lower()
    return "buy" if side == "buy" else "sell" if side == "sell" else None


def _margin(body: Body, info: Body) -> Decimal | None:
    return number(info.get("isolatedWallet") or info.get("iw") or info.get("isolatedMargin") or body.get("collateral"))


def _asset(info: object, currency: str) -> Body:
    rows = info.get("assets", []) if isinstance(info, Mapping) else info
    found = rows if isinstance(rows, list) else []
    return next((row for row in found if isinstance(row, Mapping) and row.get("asset") == currency), {})


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def true(value: object) -> bool:
    return value is True or str(value).lower() == "true"
