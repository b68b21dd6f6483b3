"""How copies of the executor share the partitions."""

from collections.abc import Iterable
from math import ceil

from libs.schemas.ids import PARTITIONS


def aim(live: int) -> int:
    """How many partitions each of `live` copies holds at most."""
    return ceil(PARTITIONS / max(1, live))


def surplus(held: Iterable[int], live: int) -> tuple[int, ...]:
    """Partitions to give up, highest first."""
    mine = sorted(held, reverse=True)
    return tuple(mine[: max(0, len(mine) - aim(live))])


def wanted(free: Iterable[int], held: int, live: int) -> tuple[int, ...]:
    """Free partitions to take, lowest first, up to the aim."""
    return tuple(sorted(free))[: max(0, aim(live) - held)]
