"""What came of an account's own decisions, as facts: nothing in here is text that a model wrote."""

from typing import Annotated, Literal

from pydantic import Field

from libs.schemas.account import Condition, PositionSide
from libs.schemas.base import Id, Money, NonNegative, Symbol, Utc, Wire
from libs.schemas.decision import Action
from libs.schemas.reasons import OrderReason, Reason

MAX_REASONS = 3
VerdictWord = Literal["accepted", "clamped", "denied"]


class PastVerdict(Wire):
    """What the rules said of one asset of a decision, at market time `at`. `reasons`: of its receipts, worst first."""

    decision_id: Id
    asset: Symbol
    action: Action
    verdict: VerdictWord
    reasons: Annotated[tuple[Reason, ...], Field(max_length=MAX_REASONS)] = ()
    at: Utc


class PastTrade(Wire):
    """A position that is flat again. `result` in quote currency, net of fees and funding.

    `invalidated_at` is when the first of its `conditions` came true while it was open, None where none did; `checked`
    is false where not all candles of that time are known, or where nothing that code can check was stated.
    """

    side: PositionSide
    result: Money
    held_minutes: NonNegative
    closed_at: Utc
    closed_by: OrderReason | None = None
    conditions: tuple[Condition, ...] = ()
    invalidated_at: Utc | None = None
    checked: bool = False


class PastDecision(Wire):
    """A decision about an asset and what came of it. `verdict` is None where it is not kept any more.

    `trade` is what the position that it opened ended in; None while it is open, or where none came of it (`traded`).
    """

    asset: Symbol
    at: Utc
    verdict: PastVerdict | None = None
    traded: bool = False
    trade: PastTrade | None = None
