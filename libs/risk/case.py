"""One judging: its inputs, the rows being judged, and the running book of what the account has left.

Rows, entries and the book change while the rules run and never leave `judge`: copying frozen values at every clamp
would cost more than all the rules together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from libs.perps.slippage import Depth
from libs.risk.values import AccountView, Limits, PositionView, Resting, RuleReceipt, SizedOrder, Verdict
from libs.schemas.account import PositionSide
from libs.schemas.decision import AssetDecision, AssetFacts, Facts
from libs.schemas.reasons import Reason

Kind = Literal["hold", "close", "decrease", "adjust", "entry"]
ZERO = Decimal(0)
HUNDRED = Decimal(100)


def exact(number: float) -> Decimal:
    """A float as the decimal that a reader sees, not as its binary expansion."""
    return Decimal(repr(number))


@lru_cache(maxsize=1024)
def constant(number: float) -> Decimal:
    """`exact` of a number that many decisions share: a strategy's limit, a leverage."""
    return exact(number)


@dataclass(frozen=True, slots=True)
class Caps:
    """The strategy's limits as numbers of this account: money in quote currency, the rest fractions and ratios."""

    risk: Decimal
    exposure: Decimal
    asset: Decimal
    cluster: Decimal
    stop: Decimal
    leverage: Decimal
    liquidation_buffer: Decimal
    day_loss: Decimal
    reward: Decimal | None

    @classmethod
    def of(cls, limits: Limits, account: AccountView) -> "Caps":
        strategy = limits.strategy
        risk, percent = strategy.risk_parameters, account.equity / HUNDRED
        exposure = percent * constant(strategy.max_exposure_pct)
        return cls(
            risk=percent * constant(risk.max_risk_per_trade),
            exposure=exposure,
            asset=exposure * constant(strategy.max_asset_share_pct) / HUNDRED,
            cluster=percent * constant(strategy.max_cluster_pct),
            stop=constant(risk.stop_loss_percentage) / HUNDRED,
            leverage=min(constant(risk.max_leverage), limits.account.leverage),
            liquidation_buffer=constant(risk.liquidation_buffer),
            day_loss=account.day_open_equity * constant(risk.max_daily_loss) / HUNDRED,
            reward=None if risk.take_profit_ratio is None else constant(risk.take_profit_ratio),
        )


@dataclass(frozen=True, slots=True)
class Case:
    """The inputs of one judging. `proposed` is the market as the decision saw it.

    `apart` are the assets that each asset is known not to move with.
    """

    facts: Facts
    account: AccountView
    limits: Limits
    caps: Caps
    now: datetime
    expires_at: datetime
    proposed: Facts | None
    entries: dict[str, int]
    apart: Mapping[str, frozenset[str]]

    def mark(self, symbol: str) -> Decimal | None:
        seen = self.facts.assets.get(symbol)
        return None if seen is None else exact(seen.mark)


@dataclass(slots=True)
class Row:
    """One row of the decision on its way to a verdict."""

    ask: AssetDecision
    kind: Kind
    receipts: list[RuleReceipt] = field(default_factory=list)
    final: SizedOrder | None = None
    denied: bool = False

    def note(self, receipt: RuleReceipt) -> None:
        self.receipts.append(receipt)
        self.denied = self.denied or receipt.effect == "deny"

    def verdict(self) -> Verdict:
        receipts = tuple(self.receipts)
        clamped = any(receipt.effect == "clamp" for receipt in receipts)
        outcome: Literal["accepted", "clamped", "denied"] = (
            "denied" if self.denied else "clamped" if clamped else "accepted"
        )
        return Verdict(self.ask.asset, outcome, self.ask.action, None if self.denied else self.final, receipts)


def kind_of(ask: AssetDecision) -> Kind:
    """What a row does to risk: an increase is an entry, a decrease an exit."""
    match ask.action:
        case "buy" | "sell":
            return "entry"
        case "close_position":
            return "close"
        case "adjust_position":
            grows = ask.position_adjustment is None or ask.position_adjustment.adjustment_type == "increase"
            return "entry" if grows else "decrease"
        case "adjust_orders":
            return "adjust"
        case _:
            return "hold"


@dataclass(slots=True)
class Book:
    """What the account holds and has left, after the exits and entries accepted so far.

    `notional` is by symbol: positions at the mark plus resting and accepted entries; `sides` says on which side it is,
    None where it may be both. `resting` are entries that no close of this decision cancels. Money in quote currency.
    """

    positions: dict[str, PositionView]
    resting: dict[str, Resting]
    notional: dict[str, Decimal]
    sides: dict[str, PositionSide | None]
    gross: Decimal
    available: Decimal

    @classmethod
    def of(cls, case: Case) -> "Book":
        account = case.account
        notional = {symbol: each.notional for symbol, each in account.resting.items()}
        sides = {symbol: each.side for symbol, each in account.resting.items()}
        for symbol, position in account.positions.items():
            held = position.quantity * (case.mark(symbol) or position.entry)
            notional[symbol] = notional.get(symbol, ZERO) + held
            sides[symbol] = position.side if sides.get(symbol, position.side) == position.side else None
        gross = sum(notional.values(), ZERO)
        return cls(dict(account.positions), dict(account.resting), notional, sides, gross, account.available)

    def enter(self, symbol: str, side: PositionSide, notional: Decimal, cost: Decimal) -> None:
        self.notional[symbol] = self.notional.get(symbol, ZERO) + notional
        self.sides[symbol] = side if self.sides.get(symbol, side) == side else None
        self.gross += notional
        self.available -= cost

    def leave(self, position: PositionView, quantity: Decimal, price: Decimal, freed: Decimal) -> None:
        """Takes `quantity` off a position; `freed` is what comes back to the available balance.

        A close cancels the symbol's resting entries too. They count until that is known to have worked, but do not
        stand in the way of the other side.
        """
        symbol, notional = position.symbol, quantity * price
        self.gross -= notional
        self.available += freed
        left = self.notional[symbol] - notional
        if quantity < position.quantity:
            share = 1 - quantity / position.quantity
            rest = replace(position, quantity=position.quantity - quantity, margin=position.margin * share)
            self.positions[symbol] = rest
            self.notional[symbol] = left
            return
        del self.positions[symbol]
        gone = self.resting.pop(symbol, None)
        if gone is not None and left > 0:
            self.notional[symbol], self.sides[symbol] = left, gone.side
        else:
            del self.notional[symbol], self.sides[symbol]

    def protect(self, symbol: str, stop: Decimal | None, target: Decimal | None) -> None:
        held = self.positions[symbol]
        self.positions[symbol] = replace(held, stop=stop or held.stop, target=target or held.target)


@dataclass(frozen=True, slots=True)
class AssetMarket:
    """One asset's market in Decimal, but for what one method of sizing reads. `bid` and `ask` fall back to the last.

    `buys` and `sells` are what takers of the two sides meet.
    """

    mark: Decimal
    last: Decimal
    bid: Decimal
    ask: Decimal
    buys: Depth
    sells: Depth
    atr_percent: Decimal | None
    long_atr_percent: float | None

    @classmethod
    def of(cls, seen: AssetFacts) -> "AssetMarket":
        last = exact(seen.last)
        bid, ask, volume = _known(seen.bid), _known(seen.ask), _known(seen.minute_volume)
        return cls(
            exact(seen.mark),
            last,
            bid or last,
            ask or last,
            Depth(ask, _known(seen.ask_size), volume),
            Depth(bid, _known(seen.bid_size), volume),
            _known(seen.atr_percent),
            seen.long_atr_percent,
        )


def _known(number: float | None) -> Decimal | None:
    return None if number is None else exact(number)


def deny(rule: str, reason: Reason, message: str) -> RuleReceipt:
    return RuleReceipt(rule, "deny", reason, message)
