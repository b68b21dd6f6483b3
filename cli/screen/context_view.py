"""Tables of a context for people: every age, what is stale or missing, the account, its risk, the assets."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cli.ask.context import ShownContext
from cli.ask.ticks import TickSizes, by_tick
from cli.screen.parts import price, titled_table
from libs.schemas.context import AssetMarketData, TradingContext


def render(shown: ShownContext, sizes: TickSizes) -> RenderableType:
    context = shown.context
    parts: list[RenderableType] = [_head(shown), *_account(context), Text(), *_assets(shown), Text(), _market(context)]
    if context.account_state.open_positions:
        parts += [Text(), _positions(context, sizes)]
    parts += [Text(f"note {n.published_at:%m-%d %H:%M} {n.symbol or 'market'}: {n.text}", "dim") for n in context.notes]
    return Group(*parts, *(Text(line, "red") for line in complaints(context)))


def _head(shown: ShownContext) -> Text:
    c = shown.context
    strategy = c.account_state.active_strategy
    head = Text(c.account_id, "bold")
    head.append(f"  {strategy.strategy_id}@{strategy.version}  {' '.join(c.timeframes)}", "cyan")
    head.append(f"  {c.timestamp:%Y-%m-%d %H:%M:%S} UTC")
    said = "built now, for this look alone" if shown.fresh else f"{c.context_id}, {seconds(shown.age_s)} old"
    return head.append(f"  {said}", "dim")


def _account(c: TradingContext) -> Iterator[Text]:
    a, r = c.account_state, c.risk_metrics
    state = Text(
        f"equity {a.equity:,.2f}  available {a.available_balance:,.2f}  today {a.realized_pnl_today:+,.2f}  "
        f"exposure {a.risk_exposure:.1f} %  {a.mode} on {a.venue}  "
    )
    yield state.append(a.trading_state, "green" if a.trading_state == "active" else "red")
    yield Text(
        f"VaR 95 {r.var_95:,.2f}  drawdown {r.max_drawdown:.1f} %  shared risk {r.correlation_risk:.0f} %  "
        f"concentration {r.concentration_risk:.0f} %  margin {r.margin_ratio * 100:.1f} %"
    )
    yield Text(f"account version {c.account_version}, last changed {_age(a.as_of, c.timestamp)} before", "dim")


def _assets(shown: ShownContext) -> Iterator[RenderableType]:
    c = shown.context
    table = titled_table("asset", "price", "tick age", "24 h %", "funding %", "trend", "ATR %", *c.timeframes, "")
    for symbol, asset in c.market_data.assets.items():
        table.add_row(
            symbol,
            price(asset.current_price),
            seconds(asset.age_seconds),
            _number(asset.price_change_24h, "+.2f"),
            _number(None if asset.funding_rate is None else asset.funding_rate * 100, "+.4f"),
            asset.trend,
            _number(asset.atr_percent, ".3f"),
            *_frames(asset, c.timestamp),
            Text("degraded", "red") if symbol in c.degraded else "",
        )
    yield table
    yield Text("of each timeframe: age of the newest closed candle, and how many its indicators are from", "dim")


def _frames(asset: AssetMarketData, now: datetime) -> Iterator[str]:
    """One entry for each of the context's timeframes, shortest first."""
    sets = asset.technical_indicators
    frames = {one.timeframe: one for one in (sets.interval, *sets.others, sets.long_interval)}
    for one in frames.values():
        yield f"{'–' if one.as_of is None else _age(one.as_of, now)} {one.candles_used}"


def _market(c: TradingContext) -> Text:
    market = c.market_data
    line = Text(f"sentiment {market.market_sentiment or '–'}  breadth {_number(market.breadth, '.2f')}")
    pairs = market.correlated or {}
    together = [key for key, on in pairs.items() if on]
    if pairs:
        line.append(f"  correlated {len(together)} of {len(pairs)} pairs")
    shown = [f"{key} {value:+.2f}" for key, value in (market.correlations or {}).items()]
    return line.append("\n" + "  ".join(shown), "dim") if shown else line


def _positions(c: TradingContext, sizes: TickSizes) -> RenderableType:
    table = titled_table("position", "size", "entry", "mark", "pnl", "stop", "target", "liquidation", "opened")
    for p in c.account_state.open_positions:
        levels = ["–" if x is None else f"{x.normalize():f}" for x in (p.stop_loss, p.take_profit)]
        edge = p.liquidation_price
        levels.append("–" if edge is None else by_tick(edge, sizes.get(p.symbol), p.stop_loss or p.entry_price))
        table.add_row(
            Text(f"{p.symbol} {p.side}", "green" if p.side == "long" else "red"),
            f"{p.size.normalize():f}",
            f"{p.entry_price.normalize():f}",
            f"{p.mark_price.normalize():f}",
            f"{p.unrealized_pnl:+,.2f}",
            *levels,
            _age(p.opened_at, c.timestamp),
        )
    return table


def complaints(c: TradingContext) -> list[str]:
    """A line for everything that could not be told."""
    lines = [f"{symbol}: stale; only what reduces risk may pass" for symbol in c.degraded]
    if c.missing_symbols:
        lines.append(f"left out: {', '.join(c.missing_symbols)}")
    return [*lines, *(f"{e.scope}: {e.code}: {e.message}" for e in c.errors)]


def seconds(age: float) -> str:
    """4 s, 12 min, 5 h, 3 d: two units would not be read."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if age >= 2 * size:
            return f"{age / size:.0f} {unit}"
    return f"{age:.0f} s"


def _age(then: datetime, now: datetime) -> str:
    return seconds(max(0.0, (now - then).total_seconds()))


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
