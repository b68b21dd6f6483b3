"""A shorter course of a seed that still breaks: which of its faults does it need?"""

from collections.abc import Callable
from dataclasses import dataclass

from simulation.faults import FaultPlan
from simulation.running import SeedResult, Simulation, plan_of


@dataclass(frozen=True, slots=True)
class ShrunkSeed:
    """`left` faults of the plan are needed for what `result` shows; `tried` runs found that out."""

    result: SeedResult
    plan: FaultPlan
    tried: int


def shrunk(seed: int, off: frozenset[str], tell: Callable[[str], None] = lambda line: None) -> ShrunkSeed | None:
    """Leave faults out, one after the other, as long as a promise stays broken. None where the seed keeps them all."""
    faults, tried = plan_of(seed).faults, 1
    broken = Simulation(seed, FaultPlan(faults), off).run()
    if not broken.broken:
        return None
    for fault in tuple(faults):
        fewer = tuple(other for other in faults if other is not fault)
        result, tried = Simulation(seed, FaultPlan(fewer), off).run(), tried + 1
        if result.broken:
            faults, broken = fewer, result
            tell(f"{len(faults)} faults are enough")
    return ShrunkSeed(broken, FaultPlan(faults), tried)
