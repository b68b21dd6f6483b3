"""Margin, profit and loss, liquidation of linear (USD-margined) perpetual futures.

Quantities in base units and > 0, prices and money in quote currency. Formulas: Binance USD-M futures, "Leverage and
Margin of USDⓈ-M Futures" and "How to Calculate Liquidation Price", with s = +1 for long and −1 for short.
"""

from decimal import Decimal

from libs.perps.sides import sign
from libs.perps.tiers import Tier, tier_for
from libs.schemas.account import PositionSide

ZERO = Decimal(0)


def initial_margin(qty: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """q·P/L."""
    return qty * price / leverage


def maintenance_margin(qty: Decimal, mark: Decimal, tiers: tuple[Tier, ...]) -> Decimal:
    """q·M·mmr − cum of the tier that holds q·M."""
    notional = qty * mark
    tier = tier_for(tiers, notional)
    return notional * tier.mmr - tier.cum


def unrealized_pnl(side: PositionSide, qty: Decimal, entry: Decimal, mark: Decimal) -> Decimal:
    """s·q·(M − E)."""
    return sign(side) * qty * (mark - entry)


def margin_balance(side: PositionSide, qty: Decimal, entry: Decimal, wallet: Decimal, mark: Decimal) -> Decimal:
    """Isolated wallet plus unrealised profit: what stands against the maintenance margin."""
    return wallet + unrealized_pnl(side, qty, entry, mark)


def liquidatable(
    side: PositionSide, qty: Decimal, entry: Decimal, wallet: Decimal, mark: Decimal, tiers: tuple[Tier, ...]
) -> bool:
    """Whether the margin balance at `mark` is at or below the maintenance margin."""
    return margin_balance(side, qty, entry, wallet, mark) <= maintenance_margin(qty, mark, tiers)


def liquidation_price(
    side: PositionSide, qty: Decimal, entry: Decimal, wallet: Decimal, tiers: tuple[Tier, ...]
) -> Decimal | None:
    """(WB + cum − s·q·E) / (q·mmr − s·q) of the tier that holds the notional at that price; None if no price > 0 is.

    `wallet` is the isolated wallet (`cross_wallet` with cross margin). None for a long: it is covered down to 0; for a
    short: no price is low enough for it. Margin balance less maintenance margin is continuous and monotonic in the
    mark, so the first tier whose own solution lies below the next tier's floor holds the only one.
    """
    s = sign(side)
    price = ZERO
    for index, tier in enumerate(tiers):
        price = (wallet + tier.cum - s * qty * entry) / (qty * (tier.mmr - s))
        if index + 1 == len(tiers) or qty * price < tiers[index + 1].floor:
            break
    return price if price > 0 else None


def cross_wallet(wallet: Decimal, others_maintenance: Decimal, others_pnl: Decimal) -> Decimal:
    """WB − TMM + UPNL: what a cross position has to live on while the marks of the account's other positions stay."""
    return wallet - others_maintenance + others_pnl


def bankruptcy_price(side: PositionSide, qty: Decimal, entry: Decimal, wallet: Decimal) -> Decimal:
    """E − s·WB/q: the price that leaves nothing of the wallet. At or below 0: there is none.

    `wallet` is the isolated wallet; with cross margin the account's wallet plus the other positions' profit.
    """
    return entry - sign(side) * wallet / qty


def order_cost(side: PositionSide, qty: Decimal, price: Decimal, mark: Decimal, leverage: Decimal) -> Decimal:
    """What an order that opens `side` takes from the balance: IM at its price + q·|min(0, s·(M − P))|."""
    open_loss = qty * abs(min(ZERO, sign(side) * (mark - price)))
    return initial_margin(qty, price, leverage) + open_loss
