"""What a run made: equity, fees, trades of each account since it began, beside buying and holding the same symbols."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from libs.schemas.account import AccountState, ClosedTrade

ZERO = Decimal(0)
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class RunMoney:
    """Of one account, in quote currency and percent, since the run began. `hold_pct` is of equal parts of its symbols,
    bought at the run's first prices and held; None before there are two prices."""

    equity: Decimal
    return_pct: float
    fees: Decimal
    funding: Decimal
    trades: int
    win_rate: float | None
    drawdown_pct: float
    best: ClosedTrade | None
    worst: ClosedTrade | None
    hold_pct: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "equity": str(self.equity),
            "return_pct": self.return_pct,
            "fees": str(self.fees),
            "funding": str(self.funding),
            "trades": self.trades,
            "win_rate": self.win_rate,
            "drawdown_pct": self.drawdown_pct,
            "best_trade": _trade(self.best),
            "worst_trade": _trade(self.worst),
            "buy_and_hold_pct": self.hold_pct,
        }

    def line(self, account: str) -> str:
        """`scalping: 10,012.40 USDT (+0.12 %; held: -0.30 %), 4 trades, 75 % won, …`."""
        held = f"; held: {self.hold_pct:+.2f} %" if self.hold_pct is not None else ""
        parts = [f"{self.equity:,.2f} USDT ({self.return_pct:+.2f} %{held})", f"{self.trades:,} trades"]
        parts += [f"{self.win_rate:.0f} % won"] if self.win_rate is not None else []
        parts += [f"fees {self.fees:,.2f}", f"funding {self.funding:,.2f}", f"drawdown {self.drawdown_pct:.2f} %"]
        parts += [f"best {self.best.symbol} {self.best.pnl:+,.2f}"] if self.best else []
        parts += [f"worst {self.worst.symbol} {self.worst.pnl:+,.2f}"] if self.worst and self.worst != self.best else []
        return f"{account}: {', '.join(parts)}"


@dataclass(slots=True)
class _Began:
    state: AccountState
    equity: Decimal
    peak: Decimal
    drawdown: Decimal = ZERO


@dataclass(slots=True)
class MoneyBook:
    """Takes each look at the accounts; `told` is what they made since the first one."""

    _began: dict[str, _Began] = field(default_factory=dict)
    _now: dict[str, tuple[AccountState, Decimal]] = field(default_factory=dict)

    def look(self, state: AccountState, equity: Decimal) -> None:
        began = self._began.setdefault(state.account_id, _Began(state, equity, equity))
        began.peak = max(began.peak, equity)
        if began.peak > 0:
            began.drawdown = max(began.drawdown, (began.peak - equity) / began.peak * HUNDRED)
        self._now[state.account_id] = (state, equity)

    def told(self, changes: Mapping[str, float], symbols: Mapping[str, tuple[str, ...]]) -> dict[str, RunMoney]:
        """`changes` of prices in percent since the run began, by symbol; `symbols` that each account trades."""
        return {name: self._money(name, changes, symbols.get(name, ())) for name in sorted(self._now)}

    def _money(self, name: str, changes: Mapping[str, float], symbols: tuple[str, ...]) -> RunMoney:
        began, (state, equity) = self._began[name], self._now[name]
        before = {(trade.symbol, trade.opened_at, trade.closed_at) for trade in began.state.closed_trades}
        closed = [t for t in state.closed_trades if (t.symbol, t.opened_at, t.closed_at) not in before]
        won = sum(trade.pnl > 0 for trade in closed)
        held = [changes[symbol] for symbol in symbols if symbol in changes]
        return RunMoney(
            equity=equity.quantize(Decimal("0.01")),
            return_pct=round(float((equity / began.equity - 1) * HUNDRED), 4) if began.equity else 0.0,
            fees=state.fees_total - began.state.fees_total,
            funding=state.funding_total - began.state.funding_total,
            trades=len(closed),
            win_rate=round(100 * won / len(closed), 1) if closed else None,
            drawdown_pct=round(float(began.drawdown), 4),
            best=max(closed, key=lambda trade: trade.pnl, default=None),
            worst=min(closed, key=lambda trade: trade.pnl, default=None),
            hold_pct=round(sum(held) / len(held), 4) if held else None,
        )


def _trade(trade: ClosedTrade | None) -> dict[str, str] | None:
    if trade is None:
        return None
    return {"symbol": trade.symbol, "side": trade.side, "pnl": str(trade.pnl), "closed_at": trade.closed_at.isoformat()}
