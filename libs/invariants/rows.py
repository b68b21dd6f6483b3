"""What the checks need of a message or a document, and no more: a log may hold months."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from libs.schemas.account import Leg
from libs.schemas.orders import IntentState, OrderKind


@dataclass(frozen=True, slots=True)
class RequestRow:
    sequence: int
    request_id: str


@dataclass(frozen=True, slots=True)
class ContextRow:
    """`shadows` are the decision ids of the shadow arms that the context names."""

    sequence: int
    context_id: str
    request_id: str
    shadows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalRow:
    sequence: int
    decision_id: str
    request_id: str
    shadow: bool
    digest: str


@dataclass(frozen=True, slots=True)
class EndRow:
    sequence: int
    verb: str
    decision_id: str
    request_id: str
    shadow: bool


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of an account: the `place`-th change of the write that made its document `version`."""

    event_id: str
    account_id: str
    version: int
    place: int
    at: datetime

    @property
    def order(self) -> tuple[int, int]:
        return self.version, self.place


@dataclass(frozen=True, slots=True)
class FillRow:
    fill_id: str
    quantity: Decimal
    fee: Decimal
    realized_pnl: Decimal


@dataclass(frozen=True, slots=True)
class OrderRow(EventRow):
    kind: OrderKind
    order_id: str
    decision_id: str
    symbol: str
    leg: Leg
    state: IntentState
    fill: FillRow | None = None


@dataclass(frozen=True, slots=True)
class PositionMove(EventRow):
    """`held` is what is open after it (base units, 0 when it is flat), None where it tells late of a position that is
    gone; `stop` whether the position names one."""

    symbol: str
    held: Decimal | None
    stop: bool
    order_id: str | None
    realized_pnl: Decimal
    fee: Decimal
    funding: Decimal
    insolvency: Decimal
    wallet: Decimal

    @property
    def moved(self) -> Decimal:
        """What it did to the wallet."""
        return self.realized_pnl - self.fee + self.funding + self.insolvency


@dataclass(frozen=True, slots=True)
class CorrectionRow(EventRow):
    """The wallet as a venue told it, where no fill says why; a `transfer` is not in the totals of the account."""

    before: Decimal
    after: Decimal
    transfer: bool


@dataclass(frozen=True, slots=True)
class IntentRow:
    order_id: str
    symbol: str
    leg: Leg
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class PlanRow:
    """`carried_out`: it has left its account for the history."""

    plan_id: str
    account_id: str
    version: int
    intents: tuple[IntentRow, ...]
    carried_out: bool


@dataclass(frozen=True, slots=True)
class BookRow:
    """An account's document. `working` are ids of orders, `untold` ids of events that wait to be told.

    `gained` is realised − fees + funding + insolvency by its own totals; `shown` the wallet in KV `state`, where that
    is of the same version.
    """

    account_id: str
    version: int
    initial: Decimal
    wallet: Decimal
    gained: Decimal
    working: frozenset[str]
    untold: frozenset[str]
    shown: Decimal | None = None
