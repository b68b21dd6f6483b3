"""Targets over whole columns: what a policy wishes to hold after each bar, traded at that bar's close in exact money.

Nothing is looked at between two changes of the target. There are no stops, no funding and no liquidation here: the
books of the paper venue have them (`replay/targets.py`), and on the same fills both say the same to the last digit.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_MOST = 2**62


@dataclass(frozen=True, slots=True)
class Terms:
    """`quantity` in base units is what a target of 1 or −1 holds; `fee` is a fraction of notional, `tick` the step of
    prices."""

    quantity: Decimal
    fee: Decimal
    tick: Decimal
    balance: Decimal

    @property
    def unit(self) -> Decimal:
        """What money is counted in: each amount is a whole number of these."""
        return self.tick * _step(self.quantity) * _step(self.fee)


@dataclass(frozen=True, slots=True)
class ArrayResult:
    """One row a position: bars of entry and exit, the side held, profit and both fees, whole numbers of `unit`.

    `open_bar` is the bar of the entry that is still open, None when flat; the fee of that entry is in `open_fee`.
    """

    unit: Decimal
    entries: Integers
    exits: Integers
    sides: Integers
    profits: Integers
    fees: Integers
    balance: Decimal
    open_bar: int | None
    open_fee: int

    @property
    def realised(self) -> Decimal:
        return int(self.profits.sum()) * self.unit

    @property
    def fees_paid(self) -> Decimal:
        return (int(self.fees.sum()) + self.open_fee) * self.unit

    @property
    def wallet(self) -> Decimal:
        return self.balance + self.realised - self.fees_paid


def trade(closes: Floats, targets: NDArray[np.int8], terms: Terms) -> ArrayResult:
    """Hold `targets` (−1, 0, 1), each from its bar's close on. OverflowError where 64 bits do not hold the money."""
    before = np.concatenate((np.zeros(1, np.int8), targets[:-1]))
    changes = np.flatnonzero(targets != before)
    prices = np.rint(closes[changes] / float(terms.tick)).astype(np.int64)
    quantity = int(terms.quantity / _step(terms.quantity))
    rate = int(terms.fee / _step(terms.fee))
    scale = int(Decimal(1) / _step(terms.fee))
    if len(prices) and int(prices.max()) * quantity * max(rate, scale) > _MOST // max(1, len(prices)):
        raise OverflowError("prices and quantities are too fine for 64 bits; use the books")
    fees = prices * (quantity * rate)
    opened = np.flatnonzero(targets[changes] != 0)
    closed = opened[opened + 1 < len(changes)]
    sides = targets[changes[closed]].astype(np.int64)
    profits = sides * (prices[closed + 1] - prices[closed]) * (quantity * scale)
    still = len(opened) > len(closed)
    return ArrayResult(
        unit=terms.unit,
        entries=changes[closed],
        exits=changes[closed + 1],
        sides=sides,
        profits=profits,
        fees=fees[closed] + fees[closed + 1],
        balance=terms.balance,
        open_bar=int(changes[-1]) if still else None,
        open_fee=int(fees[-1]) if still else 0,
    )


def _step(value: Decimal) -> Decimal:
    """One of the last digit of a number."""
    exponent = value.normalize().as_tuple().exponent
    return Decimal(1).scaleb(min(0, exponent if isinstance(exponent, int) else 0))
