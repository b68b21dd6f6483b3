"""The books of one paper account, kept a second time: by the formulas of design 05 and nothing of the product's.

Of the account they are told its orders and what was executed; prices, fees, profits, funding and wallet are reckoned
here, from the venue's file and the market's.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import yaml

ZERO, TEN_THOUSAND = Decimal(0), Decimal(10_000)
CENT = Decimal("0.00000001")
VENUE = Path(__file__).parents[2] / "config" / "venues" / "paper.yaml"


def rules() -> dict[str, dict[str, Any]]:
    rows = yaml.safe_load(VENUE.read_text())["symbols"]
    return {row["symbol"]: {k: Decimal(v) if k[-3:] in ("bps", "ize") else v for k, v in row.items()} for row in rows}


@dataclass
class Lot:
    """What is held of a symbol: coins (negative: sold), what they cost or brought, and the same at each time before."""

    coins: Decimal = ZERO
    cost: Decimal = ZERO
    history: list[tuple[datetime, Decimal]] = field(default_factory=list)


class Books:
    """Wrong figures are kept in `wrong`, by their place."""

    def __init__(self, balance: Decimal) -> None:
        self.rules = rules()
        self.wallet = balance
        self.realised = self.fees = self.funding = ZERO
        self.lots: dict[str, Lot] = {symbol: Lot() for symbol in self.rules}
        self.paid: set[tuple[str, datetime]] = set()
        self.wrong: list[str] = []

    def executed(self, intent: Any, fill: Any, last: Decimal, volume: Decimal, at: datetime) -> None:
        """An execution while the last price was `last` in a minute in which `volume` traded."""
        symbol, buys = intent.symbol, intent.side == "buy"
        if fill.liquidity == "taker":
            self._same(f"{at} {symbol} price", fill.price, self._taker(intent, fill.quantity, last, volume))
        else:
            self._same(f"{at} {symbol} price", fill.price, intent.price)
            if not (last < fill.price if buys else last > fill.price):
                self.wrong.append(f"{at} {symbol}: {fill.price} was not traded through, but {last}")
        bps = self.rules[symbol]["maker_fee_bps" if fill.liquidity == "maker" else "taker_fee_bps"]
        fee = (fill.quantity * fill.price * bps / TEN_THOUSAND).quantize(CENT)
        realised = self._traded(symbol, fill.quantity if buys else -fill.quantity, fill.price, at)
        self._same(f"{at} {symbol} fee", fill.fee, fee)
        self._same(f"{at} {symbol} realised", fill.realized_pnl, realised)
        self.fees += fee
        self.realised += realised
        self.wallet += realised - fee

    def funded(self, symbol: str, boundary: datetime, rate: Decimal, mark: Decimal) -> None:
        """−s·q·M·rate on what was held at the boundary, once."""
        held = next((coins for at, coins in reversed(self.lots[symbol].history) if at <= boundary), ZERO)
        if (symbol, boundary) not in self.paid:
            self.paid.add((symbol, boundary))
            amount = (-held * mark * rate).quantize(CENT)
            self.funding += amount
            self.wallet += amount

    def positions(self) -> dict[str, Decimal]:
        return {symbol: lot.coins for symbol, lot in self.lots.items() if lot.coins}

    def profit(self, marks: dict[str, Decimal]) -> Decimal:
        return sum((lot.coins * marks[symbol] - lot.cost for symbol, lot in self.lots.items() if lot.coins), ZERO)

    def _taker(self, intent: Any, quantity: Decimal, last: Decimal, volume: Decimal) -> Decimal:
        """Half the spread, the slippage, and impact·√(q ÷ a minute's volume), to the tick against the taker."""
        rule, s = self.rules[intent.symbol], 1 if intent.side == "buy" else -1
        touch = last * (1 + s * rule["half_spread_bps"] / TEN_THOUSAND)
        impact = rule["impact_bps"] * min(quantity / volume, Decimal(100)).sqrt() if volume else rule["impact_bps"] * 10
        met = touch * (1 + s * (rule["slippage_bps"] + impact) / TEN_THOUSAND)
        ticks = (met / rule["tick_size"]).to_integral_value(ROUND_CEILING if s > 0 else ROUND_FLOOR)
        price: Decimal = ticks * rule["tick_size"]
        if intent.type == "limit":
            limit: Decimal = intent.price
            return min(price, limit) if s > 0 else max(price, limit)
        return price

    def _traded(self, symbol: str, bought: Decimal, price: Decimal, at: datetime) -> Decimal:
        """What a trade realised; costs are signed as the coins are, and hold what rounding took from a profit."""
        lot = self.lots[symbol]
        realised = ZERO
        if lot.coins * bought >= 0:
            lot.cost += bought * price
        else:
            share = lot.cost if bought == -lot.coins else lot.cost * abs(bought) / abs(lot.coins)
            realised = (-bought * price - share).quantize(CENT)
            lot.cost = ZERO if bought == -lot.coins else lot.cost + bought * price + realised
        lot.coins += bought
        lot.history.append((at, lot.coins))
        return realised

    def _same(self, where: str, told: Decimal, reckoned: Decimal | None) -> None:
        if told != reckoned:
            self.wrong.append(f"{where}: {told} is told, {reckoned} is right")
