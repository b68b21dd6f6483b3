"""Who decides in a replay: a rule that is shipped, or a function of the user's. No prompt is built for either."""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from libs.schemas.context import TradingContext
from libs.schemas.decision import AssetDecision, TradingDecision
from replay.recorded import RECORDED, RecordedPolicy, recorded_lines
from services.decider.domain import snapshot, trend
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain
from services.feed.domain.recorded import RecordedMarket

TREND = "builtin/trend"
NOTHING_WISHED = "the policy wishes nothing"
DecisionFunction = Callable[[TradingContext], TradingDecision | None]
MarketColumns = Mapping[str, Mapping[str, NDArray[np.float64]]]
Prepare = Callable[[MarketColumns], None]


class PolicyError(Exception):
    """A policy that cannot be used: the text says why."""


class ReplayPolicy(Protocol):
    """What decides a context. The same context must give the same decision: a replay is repeated to the last byte."""

    @property
    def name(self) -> str: ...
    def begin(self, market: RecordedMarket) -> None:
        """Called once with the market that is replayed, before anything is decided."""

    def decide(self, context: TradingContext) -> Parsed | Abstain: ...


class TrendPolicy:
    """`builtin/trend` on the figures of its prompt, without the prompt."""

    name = TREND

    def begin(self, market: RecordedMarket) -> None: ...

    def decide(self, context: TradingContext) -> Parsed | Abstain:
        return Parsed(trend.decide(snapshot.of_context(context)))


class FunctionPolicy:
    """A function `policy(context) -> TradingDecision | None`; None is a hold of every asset.

    `prepare`, where its module has it, is given the columns of the whole market before: by symbol, then `time` (of
    opening, epoch seconds), `open`, `high`, `low`, `close`, `volume`. What it makes of them may look ahead, and then
    `check_lookahead` says so.
    """

    def __init__(self, name: str, function: DecisionFunction, prepare: Prepare | None = None) -> None:
        self.name = name
        self._function = function
        self._prepare = prepare

    def begin(self, market: RecordedMarket) -> None:
        if self._prepare is not None:
            self._prepare({symbol: columns_of(market, symbol) for symbol in market.symbols})

    def decide(self, context: TradingContext) -> Parsed | Abstain:
        made = self._function(context)
        if made is not None and not isinstance(made, TradingDecision):
            raise PolicyError(f"{self.name} returned {type(made).__name__}: a TradingDecision or None is expected")
        return Parsed(made if made is not None else _hold(context))


def policy_of(name: str) -> ReplayPolicy:
    """`builtin/trend`, `recorded:DIR`, or `module:function`, of the present folder too. Raises PolicyError."""
    if name == TREND:
        return TrendPolicy()
    if name.startswith(RECORDED):
        return _recorded(name)
    module, colon, function = name.partition(":")
    if not colon or not module or not function:
        raise PolicyError(f"{name!r} is no policy: {TREND}, {RECORDED}DIR, or module:function")
    found = _imported(module)
    chosen = getattr(found, function, None)
    if not callable(chosen):
        raise PolicyError(f"{module} has no function {function}")
    return FunctionPolicy(name, chosen, getattr(found, "prepare", None))


def _recorded(name: str) -> ReplayPolicy:
    place = Path(name.removeprefix(RECORDED))
    try:
        return RecordedPolicy(name, recorded_lines(place))
    except OSError as error:
        raise PolicyError(f"{place} holds no recorded answers ({error.strerror}): run it with --full") from error
    except ValueError as error:
        first = str(error).partition("\n")[0]
        raise PolicyError(f"{place} holds what is no answer ({first}): run it with --full, to its end") from error


def columns_of(market: RecordedMarket, symbol: str) -> Mapping[str, NDArray[np.float64]]:
    """The minutes of a symbol, those of the history too."""
    bars = market.columns(symbol, market.begins, market.ends)
    times = market.begins.timestamp() + 60.0 * np.arange(len(bars.open), dtype=np.float64)
    figures = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close, "volume": bars.volume}
    columns: dict[str, NDArray[np.float64]] = {name: np.array(column, np.float64) for name, column in figures.items()}
    return columns | {"time": times}


def _imported(module: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PolicyError(f"{module} cannot be imported: {error}") from error


def _hold(context: TradingContext) -> TradingDecision:
    rows = tuple(_row(symbol) for symbol in context.symbols)
    return TradingDecision(
        decisions=rows, portfolio_rationale=NOTHING_WISHED, total_allocation_usd=0.0, portfolio_risk_level="low"
    )


def _row(symbol: str) -> AssetDecision:
    return AssetDecision(
        asset=symbol, action="hold", exit_plan=NOTHING_WISHED, rationale=NOTHING_WISHED, risk_level="low"
    )
