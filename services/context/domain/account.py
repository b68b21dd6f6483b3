"""The account section of a context: balances and positions at the newest marks, and what they put at risk."""

import math
from collections.abc import Mapping
from decimal import Decimal

from libs.analytics.performance import fall_percent
from libs.perps.margin import unrealized_pnl
from libs.risk.accounts import account_view
from libs.schemas.account import Account, AccountState, PerformanceMetrics, Position
from libs.schemas.context import AccountContext, PositionSummary, RiskMetrics
from libs.schemas.strategy import TradingStrategy
from services.context.domain.correlations import Correlations

Z_95 = 1.645
ZERO = Decimal(0)


def exact(value: float) -> Decimal:
    """The decimal that a float is written as."""
    return Decimal(repr(value))


def summary(position: Position, mark: Decimal) -> PositionSummary:
    """A position at `mark`; its profit in percent is of its margin."""
    pnl = unrealized_pnl(position.side, position.quantity, position.entry_price, mark)
    return PositionSummary(
        symbol=position.symbol,
        side=position.side,
        size=position.quantity,
        entry_price=position.entry_price,
        mark_price=mark,
        unrealized_pnl=pnl,
        percentage_pnl=float(pnl / position.margin * 100) if position.margin else 0.0,
        notional=position.quantity * mark,
        margin=position.margin,
        leverage=position.leverage,
        liquidation_price=position.liquidation_price,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        exit_plan=position.exit_plan,
        invalidation=position.invalidation,
        opened_at=position.opened_at,
        decision_id=position.decision_id,
        fees=position.fees,
        funding=position.funding,
    )


def account_section(
    account: Account, state: AccountState, strategy: TradingStrategy, marks: Mapping[str, float]
) -> AccountContext:
    """The account with its positions at `marks`; a position without a mark stands at its entry price.

    Equity and available balance are what the rules see (libs/risk). Total profit = equity − initial balance.
    """
    exact_marks = {symbol: exact(mark) for symbol, mark in marks.items()}
    view = account_view(state, account, exact_marks)
    positions = tuple(summary(p, exact_marks.get(p.symbol, p.entry_price)) for p in state.positions)
    return AccountContext(
        account_id=account.account_id,
        equity=view.equity,
        balance_usd=state.wallet_balance,
        available_balance=view.available,
        total_pnl=view.equity - account.initial_balance,
        realized_pnl_today=state.day.realised,
        open_positions=positions,
        open_orders=state.open_orders,
        recent_performance=_with_open_losses(state, view.equity),
        risk_exposure=_percent(_gross(positions), view.equity),
        max_position_size=account.max_position_size,
        active_strategy=strategy,
        maker_fee_bps=state.maker_fee_bps,
        taker_fee_bps=state.taker_fee_bps,
        leverage=account.leverage,
        trading_state=state.trading_state,
        mode=state.mode,
        venue=state.venue,
        margin_mode=state.margin_mode,
        version=state.version,
        day_open_equity=state.day.open_equity,
        as_of=state.as_of,
        fees_total=state.fees_total,
        funding_total=state.funding_total,
        last_entry_at=dict(view.last_entry_at),
    )


def _with_open_losses(state: AccountState, equity: Decimal) -> PerformanceMetrics:
    """The performance, with a drawdown that is no smaller than what the account is below its highest wallet now: the
    executor writes it in steps, and once a second."""
    known = state.performance
    fall = fall_percent(state.peak_equity or ZERO, equity)
    return known if fall <= known.max_drawdown else known.model_copy(update={"max_drawdown": fall})


def risk(section: AccountContext, volatility: Mapping[str, float], correlations: Correlations) -> RiskMetrics:
    """Risk of the open positions. `volatility` in percent per candle of `interval`, by symbol.

    var_95 = Σ notional × volatility fraction × 1.645, as if all moved together and none hedged another. Concentration
    is the largest asset's share of gross exposure. margin_ratio = margins ÷ equity.
    """
    positions = section.open_positions
    gross = float(_gross(positions))
    net = float(sum((p.notional if p.side == "long" else -p.notional for p in positions), ZERO))
    largest = float(max((p.notional for p in positions), default=ZERO))
    margins = sum((p.margin for p in positions), ZERO)
    return RiskMetrics(
        var_95=sum(float(p.notional) * volatility.get(p.symbol, 0.0) / 100 * Z_95 for p in positions),
        max_drawdown=section.recent_performance.max_drawdown,
        correlation_risk=correlation_risk(positions, volatility, correlations),
        concentration_risk=min(100.0, largest / gross * 100) if gross else 0.0,
        gross_exposure=gross,
        net_exposure=net,
        margin_ratio=_percent(margins, section.equity) / 100,
    )


def correlation_risk(
    positions: tuple[PositionSummary, ...], volatility: Mapping[str, float], correlations: Correlations
) -> float:
    """How much of their risk the open positions share: 100 × √(wᵀρw) ÷ Σ|w|, 0 with fewer than two.

    w are signed notionals × volatility (notionals alone where one volatility is unknown), ρ the correlations, 1 where
    unknown. 100: all move as one, the same way; 0: they cancel each other. √(wᵀρw) is the portfolio's volatility
    (H. Markowitz, Portfolio Selection, 1952).
    """
    if len(positions) < 2:
        return 0.0
    known = all(volatility.get(p.symbol) for p in positions)
    weights = {
        p.symbol: float(p.notional) * (1 if p.side == "long" else -1) * (volatility[p.symbol] if known else 1.0)
        for p in positions
    }
    whole = sum(abs(w) for w in weights.values())
    variance = sum(v * w * correlations.of(a, b) for a, v in weights.items() for b, w in weights.items())
    return min(100.0, 100 * math.sqrt(max(0.0, variance)) / whole) if whole else 0.0


def _gross(positions: tuple[PositionSummary, ...]) -> Decimal:
    return sum((p.notional for p in positions), ZERO)


def _percent(part: Decimal, equity: Decimal) -> float:
    """`part` in percent of equity; of a hundredth of a unit where nothing is left, so that it stays a number."""
    return float(part / max(equity, Decimal("0.01")) * 100)
