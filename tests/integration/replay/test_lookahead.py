"""Policies that know the future are caught, and those that do not are not."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pytest

from libs.schemas.context import TradingContext
from libs.schemas.decision import TradingDecision
from replay.altered import ALTERATIONS, Alteration, altered
from replay.engine import ReplayInput
from replay.lookahead import LookaheadReport, check_lookahead
from replay.policy import FunctionPolicy, MarketColumns, ReplayPolicy, TrendPolicy
from replay.tape import Tape
from services.feed.domain.bars import MINUTE
from services.feed.domain.recorded import RecordedMarket
from tests import builders
from tests.unit.replay.markets import SYMBOLS, account, market, wanted

PLAYED = market(160, 130, wild=0.004)


@dataclass
class Peeking(ABC):
    """Closes when a figure of its own rises: one that it takes from the columns of the whole market."""

    columns: MarketColumns = field(default_factory=dict)

    def prepare(self, columns: MarketColumns) -> None:
        self.columns = columns

    def at(self, context: TradingContext) -> int:
        """The minute that is under way."""
        return int(context.timestamp.timestamp() - float(self.columns[SYMBOLS[0]]["time"][0])) // 60

    @abstractmethod
    def risen(self, context: TradingContext) -> bool: ...

    def decide(self, context: TradingContext) -> TradingDecision | None:
        action = "close_position" if self.risen(context) else "hold"
        return builders.decision(*(builders.row(symbol, action) for symbol in context.symbols))


class OneAhead(Peeking):
    def risen(self, context: TradingContext) -> bool:
        closes = self.columns[SYMBOLS[0]]["close"]
        now = self.at(context)
        return bool(closes[min(now + 1, len(closes) - 1)] > closes[now - 1])


class CentredMaximum(Peeking):
    def risen(self, context: TradingContext) -> bool:
        highs, now = self.columns[SYMBOLS[0]]["high"], self.at(context)
        return bool(highs[now - 1] >= highs[max(0, now - 10) : now + 10].max() * 0.999)


class ClosesDay(Peeking):
    def risen(self, context: TradingContext) -> bool:
        rows = self.columns[SYMBOLS[0]]
        day = rows["time"] // 86_400 == context.timestamp.timestamp() // 86_400
        return bool(rows["close"][day][-1] > rows["close"][self.at(context) - 1])


class Honest(Peeking):
    """The same figures up to the minute that closed last."""

    def risen(self, context: TradingContext) -> bool:
        closes, now = self.columns[SYMBOLS[0]]["close"], self.at(context)
        return bool(closes[now - 1] > closes[max(0, now - 20) : now].mean())


def checked(policy: type[Peeking] | None, cuts: int = 2) -> LookaheadReport:
    def inputs(played: RecordedMarket) -> ReplayInput:
        chosen: ReplayPolicy = TrendPolicy()
        if policy is not None:
            made = policy()
            chosen = FunctionPolicy(policy.__name__, made.decide, made.prepare)
        return wanted(played, account(), policy=chosen)

    return list(check_lookahead(inputs, PLAYED, cuts=cuts))[-1]


@pytest.mark.parametrize("policy", [OneAhead, CentredMaximum, ClosesDay])
def test_a_policy_that_peeks_is_caught_with_its_first_decision(policy: type[Peeking]) -> None:
    peek = checked(policy, cuts=5).peek
    assert peek is not None
    assert not peek.own, "the replay itself looked ahead"
    assert peek.at <= peek.since
    assert {"close_position" in peek.before, "close_position" in peek.after} == {True, False}


@pytest.mark.parametrize("policy", [None, Honest], ids=["builtin/trend", "of the past alone"])
def test_a_policy_of_what_is_known_passes(policy: type[Peeking] | None) -> None:
    report = checked(policy)
    assert report.peek is None
    assert report.futures == 2 * len(ALTERATIONS)
    assert report.compared > 60


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_another_future_has_the_same_past_to_the_tick(kind: Alteration) -> None:
    minute = PLAYED.starts + 20 * MINUTE
    other = altered(PLAYED, minute, kind, 1)
    told = (minute - PLAYED.begins) // MINUTE * 4 + 2
    for symbol in SYMBOLS:
        one, two = Tape(PLAYED, symbol), Tape(other, symbol)
        assert one.prices[:told].tolist() == two.prices[:told].tolist()
        assert [one.tick(n) for n in range(told - 8, told)] == [two.tick(n) for n in range(told - 8, told)]
        rest = len(two.prices)
        assert not np.isclose(one.prices[told + 1 : rest], two.prices[told + 1 : rest], rtol=1e-4).all()
    assert other.ends == (minute + timedelta(minutes=1) if kind == "cut" else PLAYED.ends)
