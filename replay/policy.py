"""Who decides in a replay: a rule that is shipped, or a function of the user's. No prompt is built for either."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from libs.schemas.context import TradingContext
from libs.schemas.decision import AssetDecision, TradingDecision
from services.decider.domain import snapshot, trend
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain

TREND = "builtin/trend"
NOTHING_WISHED = "the policy wishes nothing"
DecisionFunction = Callable[[TradingContext], TradingDecision | None]


class PolicyError(Exception):
    """A policy that cannot be used: the text says why."""


class ReplayPolicy(Protocol):
    """What decides a context. The same context must give the same decision: a replay is repeated to the last byte."""

    @property
    def name(self) -> str: ...
    def decide(self, context: TradingContext) -> Parsed | Abstain: ...


class TrendPolicy:
    """`builtin/trend` on the figures of its prompt, without the prompt."""

    name = TREND

    def decide(self, context: TradingContext) -> Parsed | Abstain:
        return Parsed(trend.decide(snapshot.of_context(context)))


class FunctionPolicy:
    """A function `policy(context) -> TradingDecision | None`; None is a hold of every asset."""

    def __init__(self, name: str, function: DecisionFunction) -> None:
        self.name = name
        self._function = function

    def decide(self, context: TradingContext) -> Parsed | Abstain:
        made = self._function(context)
        if made is not None and not isinstance(made, TradingDecision):
            raise PolicyError(f"{self.name} returned {type(made).__name__}: a TradingDecision or None is expected")
        return Parsed(made if made is not None else _hold(context))


def policy_of(name: str) -> ReplayPolicy:
    """`builtin/trend`, or `module:function`, looked for in the present folder as well. Raises PolicyError."""
    if name == TREND:
        return TrendPolicy()
    module, colon, function = name.partition(":")
    if not colon or not module or not function:
        raise PolicyError(f"{name!r} is no policy: {TREND}, or module:function")
    return FunctionPolicy(name, _function(module, function))


def _function(module: str, name: str) -> DecisionFunction:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise PolicyError(f"{module} cannot be imported: {error}") from error
    if not callable(found):
        raise PolicyError(f"{module} has no function {name}")
    function: DecisionFunction = found
    return function


def _hold(context: TradingContext) -> TradingDecision:
    rows = tuple(_row(symbol) for symbol in context.symbols)
    return TradingDecision(
        decisions=rows, portfolio_rationale=NOTHING_WISHED, total_allocation_usd=0.0, portfolio_risk_level="low"
    )


def _row(symbol: str) -> AssetDecision:
    return AssetDecision(
        asset=symbol, action="hold", exit_plan=NOTHING_WISHED, rationale=NOTHING_WISHED, risk_level="low"
    )
