"""What a strategy must be beyond its fields' bounds, and whether an account can take it (docs/strategies.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from libs.schemas.account import Account, AccountState
from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol

FAST = ("1m", "3m", "5m", "15m")
SWING_S = TIMEFRAME_SECONDS["4h"]


@dataclass(frozen=True, slots=True)
class StrategyProblem:
    """One thing that is wrong with a strategy: where (a dotted path) and what."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class AssignmentConflict:
    """Something between a strategy and an account. A blocking one forbids the assignment, others are remarks."""

    blocking: bool
    message: str


def problems(strategy: TradingStrategy) -> tuple[StrategyProblem, ...]:
    """Empty for a strategy that may be stored. Its template is checked apart, with the engine."""
    found = []
    frames, kind = strategy.timeframe_preference, strategy.strategy_type
    if kind == "scalping" and not set(frames) & set(FAST):
        found.append(StrategyProblem("timeframe_preference", f"scalping needs one of {', '.join(FAST)}"))
    if kind == "swing" and max(TIMEFRAME_SECONDS[frame] for frame in frames) < SWING_S:
        found.append(StrategyProblem("timeframe_preference", "swing needs a timeframe of 4h or longer"))
    if kind == "dca" and strategy.ladder is None:
        found.append(StrategyProblem("ladder", "dca needs a ladder: rungs and step_pct"))
    if strategy.risk_parameters.take_profit_ratio is None and strategy.take_profit_pct is None:
        said = "without a take_profit_ratio no target can be set: give one of the two"
        found.append(StrategyProblem("take_profit_pct", said))
    if strategy.ladder is not None and strategy.order_preference in ("taker_accepted", "any"):
        found.append(
            StrategyProblem("order_preference", "the rungs of a ladder rest: take maker_only or maker_preferred")
        )
    return (*found, *_limits(strategy))


def _limits(strategy: TradingStrategy) -> tuple[StrategyProblem, ...]:
    """Limits that contradict each other, so that one of them could never be reached."""
    found = []
    risk = strategy.risk_parameters
    if risk.max_risk_per_trade > risk.max_daily_loss:
        found.append(StrategyProblem("risk_parameters.max_risk_per_trade", "is above max_daily_loss"))
    if strategy.max_cluster_pct > strategy.max_exposure_pct:
        found.append(
            StrategyProblem("max_cluster_pct", "is above max_exposure_pct, which holds for all assets together")
        )
    if (
        strategy.max_hold_minutes is not None
        and strategy.max_hold_minutes * 60 < TIMEFRAME_SECONDS[_shortest(strategy)]
    ):
        found.append(
            StrategyProblem("max_hold_minutes", "ends before the first candle of the shortest timeframe has closed")
        )
    return tuple(found)


def conflicts(
    strategy: TradingStrategy, account: Account, state: AccountState | None, venue: Mapping[str, VenueSymbol]
) -> tuple[AssignmentConflict, ...]:
    """What stands between a strategy and an account; `venue` holds the filters of its symbols, as far as known."""
    return (*_unfit(strategy, account, venue), *_remarks(strategy, account, state))


def _unfit(
    strategy: TradingStrategy, account: Account, venue: Mapping[str, VenueSymbol]
) -> tuple[AssignmentConflict, ...]:
    found = []
    if not strategy.is_active:
        found.append(AssignmentConflict(True, f"{strategy.strategy_id} is not active: activate it first"))
    missing = [symbol for symbol in account.symbols if symbol not in venue]
    if missing:
        found.append(
            AssignmentConflict(True, f"{account.venue} does not know {', '.join(missing)}: correct the symbols")
        )
    least = min((venue[symbol].min_notional for symbol in account.symbols if symbol in venue), default=Decimal(0))
    largest = largest_order(strategy, account)
    if largest is not None and largest < least:
        said = f"its orders are at most {largest:.2f} USD, the venue takes none below {least:f} USD"
        found.append(AssignmentConflict(True, f"{said}: raise fixed_margin_usd, or leverage"))
    return tuple(found)


def _remarks(strategy: TradingStrategy, account: Account, state: AccountState | None) -> tuple[AssignmentConflict, ...]:
    found = []
    lever = strategy.risk_parameters.max_leverage
    if lever > account.leverage:
        found.append(
            AssignmentConflict(False, f"the account's leverage of {account.leverage:f} applies, not {lever:g}")
        )
    fixed = strategy.fixed_margin_usd if strategy.position_sizing == "fixed" else None
    if fixed is not None and state is not None and Decimal(str(fixed)) > state.wallet_balance:
        found.append(
            AssignmentConflict(False, f"the wallet of {state.wallet_balance:.2f} does not hold {fixed:g} of margin")
        )
    held = len(state.positions) if state else 0
    if held > strategy.max_positions:
        said = f"{held} positions are open, it allows {strategy.max_positions}: nothing new opens until fewer are"
        found.append(AssignmentConflict(False, said))
    return tuple(found)


def largest_order(strategy: TradingStrategy, account: Account) -> Decimal | None:
    """Notional in quote currency that one order of fixed size has at most; None for sizes that depend on the equity."""
    if strategy.position_sizing != "fixed" or strategy.fixed_margin_usd is None:
        return None
    leverage = min(Decimal(str(strategy.risk_parameters.max_leverage)), account.leverage)
    return min(Decimal(str(strategy.fixed_margin_usd)) * leverage, account.max_position_size)


def _shortest(strategy: TradingStrategy) -> str:
    return min(strategy.timeframe_preference, key=TIMEFRAME_SECONDS.__getitem__)
