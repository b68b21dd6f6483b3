"""A proposal judged on what is known now: the one way of the validator and of the API's `/decisions/validate`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.risk.accounts import account_view
from libs.risk.case import exact
from libs.risk.facts import facts_of
from libs.risk.judge import judge
from libs.risk.marks import Mark
from libs.risk.values import Judgement, Limits
from libs.schemas.account import Account, AccountState
from libs.schemas.decision import DecisionProposed, Facts, TradingDecision
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol


@dataclass(frozen=True, slots=True)
class Scene:
    """What a proposal is judged on: the account as configured and as it stands, its strategy, the market at `now`.

    `marks` and `venue` by symbol; a newest tick older than `max_tick_age` market seconds makes an asset stale.
    """

    account: Account
    strategy: TradingStrategy
    state: AccountState
    marks: Mapping[str, Mark]
    venue: Mapping[str, VenueSymbol]
    now: datetime
    max_tick_age: float


def evaluate(proposal: DecisionProposed, decision: TradingDecision, scene: Scene) -> tuple[Facts, Judgement]:
    """The facts of now, and the verdicts on them."""
    facts = facts_of(proposal, scene.state, scene.marks, scene.now, scene.max_tick_age)
    view = account_view(scene.state, scene.account, {symbol: exact(mark.mark) for symbol, mark in scene.marks.items()})
    limits = Limits(scene.strategy, scene.account, scene.venue)
    return facts, judge(
        decision, facts, view, limits, scene.now, expires_at=proposal.expires_at, proposed=proposal.facts
    )
