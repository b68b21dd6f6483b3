"""Whatever goes wrong in a seed, every promise holds; and the same seed does the same wherever it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.faults import Fault, FaultPlan
from simulation.running import Simulation
from tests.forms import sized

ROOT = Path(__file__).parents[3]
TELL = "from simulation.running import Simulation; print(Simulation(5).run().digest)"


@pytest.mark.parametrize("seed", range(1, sized(7, 301)))
def test_every_promise_holds_whatever_goes_wrong(seed: int) -> None:
    result = Simulation(seed).run()
    assert result.broken == ()
    unlooked = {check.promise for check in result.checks if check.checked == 0}
    assert unlooked == {"every shadow arm has one evaluation and no order"}
    counts = result.counts
    assert counts["decision.requested"] >= 20
    assert counts["order.filled"] >= 5
    assert counts["faults"] >= 5


def test_a_seed_does_the_same_in_another_process_with_other_hashes() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TELL],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2)
    ]
    first, second = (run.communicate()[0].strip() for run in runs)
    assert len(first) == 64
    assert first == second


def test_a_write_whose_answer_is_lost_leaves_no_plan_behind() -> None:
    """What seed 19 found: the plan was carried out, and stayed in its account."""
    faults = [Fault("lost_reply", "executor", at=0.0, skip=n, seconds=0.0, what="write") for n in range(3)]
    result = Simulation(2, FaultPlan(faults)).run()
    assert result.counts["faults"] == 3
    assert result.broken == ()
