"""What goes into the rules and what comes out: frozen values in Decimal, wire models only at the very end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from libs.schemas.account import Account, AccountStatus, OrderType, PositionSide, Side, TimeInForce, TradingState
from libs.schemas.decision import Action
from libs.schemas.reasons import Reason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from libs.schemas.verdict import AssetVerdict, Instruction, Receipt, Rung

Status = Literal["accepted", "partial", "hold", "denied"]
Effect = Literal["deny", "clamp", "warn", "note"]
SEVERITY: Mapping[Effect, Literal["info", "warning", "error"]] = {
    "deny": "error",
    "clamp": "warning",
    "warn": "warning",
    "note": "info",
}


@dataclass(frozen=True, slots=True)
class PositionView:
    """One open position. Quantity in base units; `margin` is the isolated wallet in quote currency."""

    symbol: str
    side: PositionSide
    quantity: Decimal
    entry: Decimal
    leverage: Decimal
    margin: Decimal
    stop: Decimal | None
    target: Decimal | None


@dataclass(frozen=True, slots=True)
class Resting:
    """Entries of one symbol on their way or waiting at the venue; `side` is None where it is not known or mixed."""

    notional: Decimal
    side: PositionSide | None = None


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as the rules see it.

    `equity` is wallet plus unrealised profit; `available` is what new margin may be taken from, less reservations.
    `resting` are entry orders by symbol, `last_entry_at` when the newest entry that filled or still rests was placed.
    `transfers` of the day are positive for deposits. `returns` are of closed trades by strategy, net, as fractions of
    the notional that was entered.
    """

    account_id: str
    status: AccountStatus
    trading_state: TradingState
    equity: Decimal
    available: Decimal
    positions: Mapping[str, PositionView]
    resting: Mapping[str, Resting]
    last_entry_at: Mapping[str, datetime]
    day_open_equity: Decimal
    transfers: Decimal
    version: int
    returns: Mapping[str, tuple[Decimal, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """Whose limits apply: the strategy's, the account's, and each symbol's venue filters, fees and tiers."""

    strategy: TradingStrategy
    account: Account
    venue: Mapping[str, VenueSymbol]


@dataclass(frozen=True, slots=True)
class RuleReceipt:
    """What one rule did. `before` and `after` are notional in quote currency unless the rule says else."""

    rule: str
    effect: Effect
    reason: Reason
    message: str
    before: Decimal | str | None = None
    after: Decimal | str | None = None

    def to_wire(self) -> Receipt:
        return Receipt(
            rule=self.rule,
            severity=SEVERITY[self.effect],
            reason=self.reason,
            message=self.message,
            before=_plain(self.before),
            after=_plain(self.after),
        )


@dataclass(frozen=True, slots=True)
class SizedOrder:
    """What the executor is to do for one asset. Quantity in base units, prices and money in quote currency.

    `rungs` are (price, quantity) pairs of a ladder, which add up to `quantity`; `stop_away` and `target_away` are
    fractions of the average that is filled of it.
    """

    asset: str
    action: Action
    side: Side
    leverage: Decimal
    quantity: Decimal | None = None
    notional: Decimal | None = None
    margin: Decimal | None = None
    type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    limit_price: Decimal | None = None
    entry: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    stop_away: Decimal | None = None
    target_away: Decimal | None = None
    rungs: tuple[tuple[Decimal, Decimal], ...] = ()
    cancel_target: bool = False
    reduce_only: bool = False
    exit_plan: str | None = None
    invalidation: str | None = None

    def to_wire(self) -> Instruction:
        return Instruction(
            asset=self.asset,
            action=self.action,
            side=self.side,
            quantity=self.quantity,
            notional=self.notional,
            margin=self.margin,
            leverage=self.leverage,
            type=self.type,
            time_in_force=self.time_in_force,
            limit_price=self.limit_price,
            entry=self.entry,
            stop=self.stop,
            target=self.target,
            stop_away=self.stop_away,
            target_away=self.target_away,
            rungs=tuple(Rung(price=price, quantity=quantity) for price, quantity in self.rungs),
            cancel_target=self.cancel_target,
            reduce_only=self.reduce_only,
            exit_plan=self.exit_plan,
            invalidation=self.invalidation,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one row of a decision. `final` is None when it is denied or a hold."""

    asset: str
    verdict: Literal["accepted", "clamped", "denied"]
    action: Action
    final: SizedOrder | None
    receipts: tuple[RuleReceipt, ...]

    def to_wire(self) -> AssetVerdict:
        return AssetVerdict(
            asset=self.asset,
            verdict=self.verdict,
            action=self.action,
            final=None if self.final is None else self.final.to_wire(),
            receipts=tuple(receipt.to_wire() for receipt in self.receipts),
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict per row of the decision, in its order, and what was found about the portfolio as a whole."""

    verdicts: tuple[Verdict, ...]
    portfolio: tuple[RuleReceipt, ...] = ()
    rules_checked: int = 0
    status: Status = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", _status(self.verdicts))

    def to_wire(self) -> tuple[AssetVerdict, ...]:
        return tuple(verdict.to_wire() for verdict in self.verdicts)

    def portfolio_to_wire(self) -> tuple[Receipt, ...]:
        return tuple(receipt.to_wire() for receipt in self.portfolio)


def _status(verdicts: tuple[Verdict, ...]) -> Status:
    denied = any(verdict.verdict == "denied" for verdict in verdicts)
    if any(verdict.final is not None for verdict in verdicts):
        return "partial" if denied else "accepted"
    return "denied" if denied else "hold"


def _plain(value: Decimal | str | None) -> float | str | None:
    return float(value) if isinstance(value, Decimal) else value


def show(value: Decimal) -> str:
    """A number for a message: ten significant digits are enough for a reader."""
    return f"{float(value):.10g}"
