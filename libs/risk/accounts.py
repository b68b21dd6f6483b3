"""From the stored state of an account to what the rules see of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from libs.perps.margin import unrealized_pnl
from libs.perps.sides import opened_by
from libs.risk.values import AccountView, PositionView, Resting
from libs.schemas.account import Account, AccountState, ClosedTrade, OpenOrder, Position, PositionSide

ZERO = Decimal(0)


def account_view(state: AccountState, config: Account, marks: Mapping[str, Decimal]) -> AccountView:
    """The account at `marks`; a position without a mark counts at its entry price.

    equity = wallet + Σ unrealised. available = wallet − Σ position margin − margin held for orders; with cross margin
    less the open loss too. (An isolated position's loss is bounded by its own margin, which is already taken off, and
    an open profit cannot be spent.)
    """
    pnl = sum((_pnl(position, marks) for position in state.positions), ZERO)
    resting = _resting(state)
    used = sum((position.margin for position in state.positions), ZERO) + _held(state, config, resting)
    loss = min(ZERO, pnl) if state.margin_mode == "cross" else ZERO
    return AccountView(
        account_id=state.account_id,
        status=config.status,
        trading_state=state.trading_state,
        equity=state.wallet_balance + pnl,
        available=state.wallet_balance + loss - used,
        positions={position.symbol: _view(position) for position in state.positions},
        resting=resting,
        last_entry_at=_entered_at(state),
        day_open_equity=state.day.open_equity,
        transfers=state.day.transfers,
        version=state.version,
        returns=_returns(state.closed_trades),
    )


def _pnl(position: Position, marks: Mapping[str, Decimal]) -> Decimal:
    mark = marks.get(position.symbol, position.entry_price)
    return unrealized_pnl(position.side, position.quantity, position.entry_price, mark)


def _entries(state: AccountState) -> Iterator[OpenOrder]:
    return (order for order in state.open_orders if order.leg == "entry" and not order.reduce_only)


def _entered_at(state: AccountState) -> dict[str, datetime]:
    """When the newest entry of each symbol was placed: of those that filled, as stored, and of those that still rest.

    The rungs of one ladder are placed at once, so that they are one entry however late the last of them fills.
    """
    newest = dict(state.last_entry_at)
    for order in _entries(state):
        newest[order.symbol] = max(order.created_at, newest.get(order.symbol, order.created_at))
    return newest


def _resting(state: AccountState) -> dict[str, Resting]:
    """By symbol: reservations hold what was sent, open orders what the venue shows; the larger notional counts."""
    shown: dict[str, Decimal] = {}
    sides: dict[str, set[PositionSide | None]] = {}
    for order in _entries(state):
        if order.price is not None:
            left = (order.quantity - order.filled) * order.price
            shown[order.symbol] = shown.get(order.symbol, ZERO) + left
            sides.setdefault(order.symbol, set()).add(opened_by(order.side))
    for symbol, held in state.reservations.items():
        shown[symbol] = max(shown.get(symbol, ZERO), held.notional)
        sides.setdefault(symbol, set()).add(None if held.side is None else opened_by(held.side))
    return {symbol: Resting(notional, _one_of(sides[symbol])) for symbol, notional in shown.items() if notional > 0}


def _one_of(sides: set[PositionSide | None]) -> PositionSide | None:
    """The side that all name; what does not know its own is overruled by what does."""
    named = sides - {None}
    return next(iter(named)) if len(named) == 1 else None


def _held(state: AccountState, config: Account, resting: Mapping[str, Resting]) -> Decimal:
    """Reserved margin; a resting order that nothing was reserved for counts at the account's leverage."""
    reserved = sum((reservation.margin for reservation in state.reservations.values()), ZERO)
    bare = (held.notional / config.leverage for symbol, held in resting.items() if symbol not in state.reservations)
    return reserved + sum(bare, ZERO)


def _returns(closed: Iterable[ClosedTrade]) -> dict[str, tuple[Decimal, ...]]:
    """Oldest first; a trade whose strategy nobody wrote down counts for none."""
    found: dict[str, list[Decimal]] = {}
    for trade in closed:
        if trade.strategy_id is not None:
            found.setdefault(trade.strategy_id, []).append(trade.pnl / (trade.quantity * trade.entry_price))
    return {strategy: tuple(returns) for strategy, returns in found.items()}


def _view(position: Position) -> PositionView:
    return PositionView(
        symbol=position.symbol,
        side=position.side,
        quantity=position.quantity,
        entry=position.entry_price,
        leverage=position.leverage,
        margin=position.margin,
        stop=position.stop_loss,
        target=position.take_profit,
    )
