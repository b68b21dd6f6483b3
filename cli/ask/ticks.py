"""Reckoned prices by the tick that the venue's prices have."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import yaml

TickSizes = Mapping[str, Decimal]


def tick_sizes(folder: Path) -> TickSizes:
    """Of the paper venue's symbols; none where its file cannot be read, which whoever starts is told."""
    try:
        text = (folder / "venues" / "paper.yaml").read_text()
        rows = yaml.load(text, Loader=yaml.CSafeLoader)["symbols"]  # ten times as fast as `safe_load`
        return {row["symbol"]: Decimal(row["tick_size"]) for row in rows}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ArithmeticError):
        return {}


def by_tick(price: Decimal, tick: Decimal | None, beside: Decimal) -> str:
    """In steps of the tick; of a symbol without one in the digits of a price `beside` that the venue took."""
    if tick is None:
        exponent = beside.normalize().as_tuple().exponent
        tick = Decimal(1).scaleb(min(0, exponent if isinstance(exponent, int) else 0))
    return f"{((price / tick).to_integral_value() * tick).quantize(tick):f}"
