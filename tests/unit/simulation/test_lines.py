"""Each line that protects a promise is needed: without it some seed breaks one."""

import pytest

from simulation.faults import FaultPlan
from simulation.lines import PROTECTING
from simulation.running import SeedResult, Simulation, plan_of
from simulation.shrinking import shrunk
from tests.forms import LONG

SOON = ("duplicate_id", "redelivery")  # any course of a run breaks without one of these


def first_broken(line: str, until: int) -> int | None:
    off = frozenset({line})
    return next((seed for seed in range(1, until) if breaks(Simulation(seed, off=off).run())), None)


def breaks(result: SeedResult) -> bool:
    """A promise, not the simulation."""
    return any(check.breaches or check.moving for check in result.checks)


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("line", PROTECTING if LONG else SOON)
def test_without_a_line_that_protects_some_seed_breaks(line: str) -> None:
    assert first_broken(line, 1_000) is not None


def test_a_breach_is_shrunk_to_the_faults_that_it_needs() -> None:
    """Without duplicates a client that asks twice is enough: no fault is needed."""
    smaller = shrunk(1, frozenset({"duplicate_id"}), FaultPlan(plan_of(1).faults[:2]))
    assert smaller is not None
    assert smaller.plan.faults == ()


def test_a_seed_that_keeps_every_promise_is_not_shrunk() -> None:
    assert shrunk(1, frozenset(), FaultPlan(())) is None
