"""Whether decisions know what comes after them: the same decisions must come out of markets with another future."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from libs.schemas.account import AccountState
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from replay.altered import ALTERATIONS, Alteration, altered
from replay.deciding import End
from replay.engine import Replay, ReplayInput
from services.executor.domain.changes import Outgoing
from services.feed.domain.recorded import RecordedMarket

CUTS = 5
SEED = 1
Inputs = Callable[[RecordedMarket], ReplayInput]


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """A context and what was decided on it, as text."""

    at: datetime
    account_id: str
    context: str
    decision: str


@dataclass(frozen=True, slots=True)
class Peek:
    """The first decision that another future changed. `own` says that its context had changed already: then it is the
    replay that looks ahead, and not the policy."""

    at: datetime
    account_id: str
    future: Alteration
    since: datetime
    own: bool
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class LookaheadReport:
    """`compared` counts decisions, of all markets together."""

    peek: Peek | None
    compared: int
    futures: int


@dataclass(slots=True)
class _Decisions:
    """Keeps decisions with their contexts, in order."""

    found: list[DecisionMade] = field(default_factory=list)
    _context: str = ""

    def context(self, context: TradingContext) -> None:
        self._context = context.model_dump_json()

    def proposed(self, proposal: DecisionProposed) -> None:
        decision = proposal.decision.model_dump_json() if proposal.decision else str(proposal.abstain_reason)
        self.found.append(DecisionMade(proposal.proposed_at, proposal.account_id, self._context, decision))

    def ended(self, end: End) -> None: ...

    def account(self, state: AccountState, events: tuple[Outgoing, ...]) -> None: ...


def check_lookahead(inputs: Inputs, market: RecordedMarket, cuts: int = CUTS) -> Iterator[LookaheadReport]:
    """A report after each market that was tried; the last one counts. `inputs` makes what is replayed of a market, with
    a policy of its own each time: one that has looked at a market already must not bring it along."""
    whole = _decided(inputs(market), None)
    compared = futures = 0
    for moment in _chosen([seen.at for seen in whole], cuts):
        minute = moment.replace(second=0, microsecond=0)
        for kind in ALTERATIONS:
            other = _decided(inputs(altered(market, minute, kind, SEED)), moment)
            before = [seen for seen in whole if seen.at <= moment]
            futures, compared = futures + 1, compared + len(before)
            peek = _first(before, other, kind, moment)
            yield LookaheadReport(peek, compared, futures)
            if peek is not None:
                return


def _decided(wanted: ReplayInput, until: datetime | None) -> Sequence[DecisionMade]:
    """All that is decided by `until`."""
    decisions = _Decisions()
    replay = Replay(wanted, decisions)
    for moment in replay.steps():
        if until is not None and replay.world.grid.at(moment) >= until:
            break
    return decisions.found


def _chosen(times: Sequence[datetime], count: int) -> list[datetime]:
    """So many of the times at which something was decided, evenly, the last one among them."""
    distinct = sorted(set(times))
    places = {round((n + 1) * len(distinct) / count) - 1 for n in range(count)}
    return [distinct[place] for place in sorted(places) if place >= 0]


def _first(
    before: Sequence[DecisionMade], after: Sequence[DecisionMade], kind: Alteration, moment: datetime
) -> Peek | None:
    others = {(seen.at, seen.account_id): seen for seen in after}
    for seen in before:
        other = others.get((seen.at, seen.account_id))
        if other is None or other.context != seen.context or other.decision != seen.decision:
            own = other is None or other.context != seen.context
            told = other.decision if other else "nothing was decided"
            return Peek(seen.at, seen.account_id, kind, moment, own, in_short(seen.decision), in_short(told))
    return None


def in_short(decision: str) -> str:
    """A decision as people compare it: what it does with each asset."""
    if not decision.startswith("{"):
        return decision
    rows: Sequence[Mapping[str, Any]] = orjson.loads(decision)["decisions"]
    return ", ".join(_row(row) for row in rows)


def _row(row: Mapping[str, Any]) -> str:
    figures = [f"{name} {row[name]:g}" for name in ("allocation_usd", "sl_price", "tp_price") if row.get(name)]
    return " ".join((row["asset"], row["action"], *figures))
