"""The account's part of a prompt: what it has, what it may still do, what is open, resting and was done."""

from decimal import Decimal

from libs.schemas.account import OpenOrder, PerformanceMetrics
from libs.schemas.context import AccountContext, PositionSummary, TradingContext
from libs.strategies.view import View
from services.decider.domain import memory_text
from services.decider.domain.figures import ABSENT, Ticks, fixed, minutes_between, money, plain, span


def account(context: TradingContext) -> str:
    a, risk, won = context.account_state, context.risk_metrics, context.account_state.recent_performance
    return "\n".join((
        f"# Account (USD); trading state: {a.trading_state}",
        f"equity {money(a.equity)}, available margin {money(a.available_balance)}; opening equity today "
        f"{money(a.day_open_equity)}, realised today {money(a.realized_pnl_today)}, total {money(a.total_pnl)}"
        f"{_paid(a)}",
        f"gross exposure {money(risk.gross_exposure)} ({a.risk_exposure:.1f}% of equity), net "
        f"{money(risk.net_exposure)}, VaR 95% of one {context.timeframes[0]} candle {money(risk.var_95)}",
        _room(a),
        *_record(won),
        *_cooling(context),
    ))  # fmt: skip


def _paid(a: AccountContext) -> str:
    """Since the account began; nothing where nobody has counted."""
    if a.fees_total is None or a.funding_total is None:
        return ""
    return f"; since it began fees {money(-a.fees_total)}, funding {a.funding_total:+.2f}"


def _record(won: PerformanceMetrics) -> tuple[str, ...]:
    """No rate of nothing."""
    if not won.trades:
        return ("no closed trades yet",)
    factor = "" if won.profit_factor is None else f", profit factor {won.profit_factor:.2f}"
    return (
        f"{won.trades} closed trades: win rate {won.win_rate:.0f}%, average win {money(won.avg_win)}, average loss "
        f"{money(won.avg_loss)}{factor}",
    )


def _cooling(context: TradingContext) -> tuple[str, ...]:
    """Where the strategy's pause between entries is not over."""
    a = context.account_state
    pause = a.active_strategy.risk_parameters.cooldown_period
    left = {
        symbol: pause - (context.timestamp - at).total_seconds()
        for symbol, at in a.last_entry_at.items()
        if symbol in context.symbols
    }
    waiting = [f"{symbol} {seconds:.0f} s" for symbol, seconds in sorted(left.items()) if seconds > 0]
    return (f"cooldown, no entry yet: {', '.join(waiting)}",) if waiting else ()


def _room(a: AccountContext) -> str:
    """What the percentages of the limits come to now."""
    strategy = a.active_strategy
    taken = {held.symbol for held in a.open_positions} | {o.symbol for o in a.open_orders if o.leg == "entry"}
    equity = float(a.equity) / 100
    lost = float(a.day_open_equity - a.equity)
    left = float(a.day_open_equity) * strategy.risk_parameters.max_daily_loss / 100 - lost
    return (
        f"free places {max(0, strategy.max_positions - len(taken))} of {strategy.max_positions}; at risk per trade at "
        f"most {money(equity * strategy.risk_parameters.max_risk_per_trade)}; gross exposure at most "
        f"{money(equity * strategy.max_exposure_pct)}; {money(max(0.0, left))} until the day's loss limit"
    )


def positions(context: TradingContext, ticks: Ticks) -> str:
    held = context.account_state.open_positions
    if not held:
        return "# Open positions\nnone"
    prices = "entry mark leverage margin pnl pnl% stop target liquidation"
    head = f"symbol side size(base) {prices} age fees funding next_funding"
    rows = [row for position in held for row in _position(context, position, ticks)]
    return "\n".join(
        (
            "# Open positions (USD; pnl% of margin, before fees; fees and funding so far, funding + is received)",
            head,
            *rows,
        )
    )


def _position(context: TradingContext, p: PositionSummary, ticks: Ticks) -> tuple[str, str]:
    def price(value: Decimal | None) -> str:
        return ticks.price(p.symbol, value)

    age = span(minutes_between(p.opened_at, context.timestamp)).replace(" ", "")
    first = (
        f"{p.symbol} {p.side} {plain(p.size)} {price(p.entry_price)} {price(p.mark_price)} "
        f"{plain(p.leverage)}x {money(p.margin)} {money(p.unrealized_pnl)} {p.percentage_pnl:.1f} "
        f"{price(p.stop_loss)} {price(p.take_profit)} {price(p.liquidation_price)} {age} "
        f"{fixed(None if p.fees is None else -p.fees, 2)} {_signed(p.funding)} {_next_funding(context, p)}"
    )
    return first, f"  {memory_text.invalidation(p)}"


def _signed(value: Decimal | None) -> str:
    return ABSENT if value is None else f"{value:+.2f}"


def _next_funding(context: TradingContext, p: PositionSummary) -> str:
    data = context.market_data.assets.get(p.symbol)
    if data is None or data.funding_rate is None:
        return ABSENT
    sign = -1 if p.side == "long" else 1
    return f"{sign * data.funding_rate * float(p.notional):+.2f}"


def orders(context: TradingContext, ticks: Ticks) -> str:
    """Entries that rest, and exits; a position's stop and target are in its own row."""
    shown = [order for order in context.account_state.open_orders if order.leg in ("entry", "exit")]
    if not shown:
        return ""
    rows = (_order(context, order, ticks) for order in shown)
    return "\n".join(("# Resting orders\nsymbol leg side type quantity(base) filled price(USD) age", *rows))


def _order(context: TradingContext, o: OpenOrder, ticks: Ticks) -> str:
    age = span(minutes_between(o.created_at, context.timestamp)).replace(" ", "")
    price = ticks.price(o.symbol, o.price or o.stop_price)
    return f"{o.symbol} {o.leg} {o.side} {o.type} {plain(o.quantity)} {plain(o.filled)} {price} {age}"


def trades(context: TradingContext, view: View, ticks: Ticks) -> str:
    """The newest fills of each asset, oldest → newest."""
    newest = (trade for each in context.recent_trades.values() for trade in each[-view.trades :] if view.trades)
    rows = [
        f"{t.symbol} {t.side} {plain(t.size)} {ticks.price(t.symbol, t.price)} {money(t.fee)} {fixed(t.pnl, 2)} "
        f"{span(minutes_between(t.timestamp, context.timestamp)).replace(' ', '')}"
        for t in sorted(newest, key=lambda t: t.timestamp)
    ]
    if not rows:
        return ""
    return "\n".join(("# Newest fills, oldest → newest\nsymbol side size(base) price(USD) fee pnl ago", *rows))
