"""A shorter course of a seed that still breaks: which of its faults does it need?"""

from collections.abc import Callable
from dataclasses import dataclass

from simulation.faults import FaultPlan
from simulation.running import SeedResult, Simulation, plan_of


@dataclass(frozen=True, slots=True)
class ShrunkSeed:
    """What is left of the plan is needed for what `result` shows."""

    result: SeedResult
    plan: FaultPlan


def shrunk(
    seed: int,
    off: frozenset[str],
    plan: FaultPlan | None = None,
    *,
    at_most: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> ShrunkSeed | None:
    """Leave faults out, one after the other, `at_most` so many, as long as a promise stays broken. None where the seed
    keeps them all."""
    faults = tuple((plan or plan_of(seed)).faults)
    result = Simulation(seed, FaultPlan(faults), off).run()
    if not result.broken:
        return None
    for fault in faults[:at_most]:
        fewer = tuple(other for other in faults if other is not fault)
        without = Simulation(seed, FaultPlan(fewer), off).run()
        if without.broken:
            faults, result = fewer, without
            tell(f"{len(faults)} faults are enough")
    return ShrunkSeed(result, FaultPlan(faults))
