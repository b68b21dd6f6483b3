"""In lockstep the same market gives the same decisions."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.invariants import every_promise_holds, read_log
from tests.chaos.pipeline import pipeline

DECISIONS = 30
Decided = tuple[str, str, tuple[tuple[str, str], ...], tuple[tuple[str, float], ...]]


async def decided(folder: Path) -> list[Decided]:
    """Ends of a run: account, decision, actions, and the prices that they were judged at."""
    async with pipeline(folder, more={"PERPETUA_LOCKSTEP": "1"}) as run:
        await run.progress(DECISIONS)
        await run.quiet()
        await every_promise_holds(run)
        log = await read_log(run.bus)
    return [_of(message) for message in log.of("decision.validated", "decision.rejected")]


def _of(message: dict[str, Any]) -> Decided:
    verdicts = tuple((v["asset"], f"{v['verdict']} {v['action']}") for v in message.get("verdicts", ()))
    prices = tuple(sorted(message.get("prices_at_validation", {}).items()))
    return message["account_id"], message["decision_id"], verdicts, prices


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_runs_of_one_market_give_the_same_decisions(tmp_path: Path) -> None:
    one, other = [await decided(tmp_path / name) for name in ("one", "other")]
    common = min(len(one), len(other), DECISIONS)
    assert sorted(one[:common]) == sorted(other[:common])
