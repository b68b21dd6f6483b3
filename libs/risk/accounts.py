"""From the stored state of an account to what the rules see of it."""

from collections.abc import Mapping
from decimal import Decimal

from libs.perps.margin import unrealized_pnl
from libs.risk.values import AccountView, PositionView
from libs.schemas.account import Account, AccountState, Position

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
        last_entry_at=state.last_entry_at,
        day_open_equity=state.day.open_equity,
        transfers=state.day.transfers,
        version=state.version,
    )


def _pnl(position: Position, marks: Mapping[str, Decimal]) -> Decimal:
    mark = marks.get(position.symbol, position.entry_price)
    return unrealized_pnl(position.side, position.quantity, position.entry_price, mark)


def _resting(state: AccountState) -> dict[str, Decimal]:
    """Notional by symbol: reservations hold what was sent, open orders what the venue shows; the larger one counts."""
    shown: dict[str, Decimal] = {}
    for order in state.open_orders:
        if order.leg == "entry" and not order.reduce_only and order.price is not None:
            left = (order.quantity - order.filled) * order.price
            shown[order.symbol] = shown.get(order.symbol, ZERO) + left
    for symbol, reservation in state.reservations.items():
        shown[symbol] = max(shown.get(symbol, ZERO), reservation.notional)
    return {symbol: notional for symbol, notional in shown.items() if notional > 0}


def _held(state: AccountState, config: Account, resting: Mapping[str, Decimal]) -> Decimal:
    """Reserved margin; a resting order that nothing was reserved for counts at the account's leverage."""
    reserved = sum((reservation.margin for reservation in state.reservations.values()), ZERO)
    bare = (notional / config.leverage for symbol, notional in resting.items() if symbol not in state.reservations)
    return reserved + sum(bare, ZERO)


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
