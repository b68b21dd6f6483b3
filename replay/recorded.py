"""Answers that were recorded, as a policy: what would they have come to under other rules, limits, fees?"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson

from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.reasons import AbstainReason
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain
from services.feed.domain.recorded import RecordedMarket

RECORDED = "recorded:"
NOT_RECORDED = "no answer was recorded for this moment"


class RecordedPolicy:
    """Decides what was decided for the same account at the same moment, or else last within its minute.

    `lines` are JSON: those that are a proposal count. What an account of another name is asked is answered by the
    recording where it is of one account alone. Only what is told of an asset that is asked about is an answer.
    Raises ValueError for a line that is no JSON, or a proposal that is none of ours.
    """

    def __init__(self, name: str, lines: Iterator[bytes]) -> None:
        self.name = name
        self.answered = self.unanswered = 0
        self._by_minute: dict[tuple[str, datetime], list[DecisionProposed]] = defaultdict(list)
        for proposal in _proposals(lines):
            self._by_minute[proposal.account_id, _minute(proposal.facts.as_of)].append(proposal)
        self._accounts = {account for account, _ in self._by_minute}

    def begin(self, market: RecordedMarket) -> None: ...

    def decide(self, context: TradingContext) -> Parsed | Abstain:
        proposal = self._recorded(context)
        if proposal is None:
            self.unanswered += 1
            return Abstain(AbstainReason.UNAVAILABLE, NOT_RECORDED)
        self.answered += 1
        if proposal.decision is None:
            return Abstain(proposal.abstain_reason or AbstainReason.UNAVAILABLE, proposal.abstain_detail or "")
        rows = tuple(row for row in proposal.decision.decisions if row.asset in context.symbols)
        if not rows:
            return Abstain(AbstainReason.INVALID, "the answer that was recorded is about other assets")
        missing = tuple(symbol for symbol in context.symbols if symbol not in {row.asset for row in rows})
        return Parsed(proposal.decision.model_copy(update={"decisions": rows}), missing)

    def _recorded(self, context: TradingContext) -> DecisionProposed | None:
        account: str = context.account_id
        if account not in self._accounts and len(self._accounts) == 1:
            (account,) = self._accounts
        there = self._by_minute.get((account, _minute(context.timestamp)), [])
        same = [proposal for proposal in there if proposal.facts.as_of == context.timestamp]
        return (same or there)[-1] if there else None


def recorded_lines(place: Path) -> Iterator[bytes]:
    """Of a run's folder (`--full`), or of a file of messages. Raises OSError."""
    with (place / "messages.jsonl" if place.is_dir() else place).open("rb") as lines:
        yield from lines


def _proposals(lines: Iterator[bytes]) -> Iterator[DecisionProposed]:
    for line in lines:
        row = orjson.loads(line)
        if isinstance(row, dict) and "proposed_at" in row and "context_ref" in row:
            yield DecisionProposed.model_validate(row)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
