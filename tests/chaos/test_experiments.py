"""Shadow arms in the whole pipeline: each ends in one evaluated, a dead decider in the middle included."""

from datetime import timedelta
from pathlib import Path

import pytest

from cli.ask.experiments import lines, shown, start, stop
from cli.ask.usage import used
from libs.configuration.configuration import By
from libs.schemas.experiment import Experiment
from tests.chaos.invariants import every_promise_holds, is_shadow, read_log
from tests.chaos.pipeline import Pipeline, pipeline

WHY = By("test", "to compare")
SHADOW = {
    "name": "shadows",
    "mode": "shadow",
    "arms": [
        {"name": "brave", "prompt_template": "Be brave with {{ symbols | join(', ') }}.", "model": "builtin/trend"},
        {"name": "nobody", "model": "openai-compatible/nobody"},
    ],
}
LIVE = {"name": "halves", "mode": "live", "split": "cycle", "arms": [{"name": "a"}, {"name": "b"}]}


async def decided(run: Pipeline) -> bool:
    """Whether the brave arm was ever asked in time: a busy machine loads what the other one wants for a while."""
    ends = [m for m in (await read_log(run.bus)).of("decision.evaluated") if is_shadow(m)]
    return any(m["arm"]["name"] == "brave" and m.get("abstain_reason") is None for m in ends)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_shadow_arms_end_once_each_and_change_nothing_of_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pipeline(tmp_path / "state") as run:
        monkeypatch.setenv("NATS_URL", url := run.nats_url)
        monkeypatch.setenv("MONGODB_URL", run.mongodb_url)
        for body in (SHADOW, LIVE):
            await start(url, Experiment.model_validate(body), WHY)
        await run.progress(10)
        await run.kill_at("decider", "decider.before_shadow_emit:2")
        await run.progress(5)
        while not await decided(run):
            await run.progress(1)
        ended = await stop(url, "shadows", WHY)
        assert ended.status == "stopped" and ended.version == 2
        await run.quiet()
        checks = {check.promise: check.checked for check in (await every_promise_holds(run)).checks}
        assert checks["every shadow arm has one evaluation and no order"] >= 10
        log = await read_log(run.bus)
        ends = [m for m in log.of("decision.evaluated") if is_shadow(m)]
        assert {m["status"] for m in ends if m["arm"]["name"] == "nobody"} == {"abstained"}
        late = {m.get("abstain_reason") for m in ends if m["arm"]["name"] == "brave"}
        assert late <= {None, "expired"} and None in late, [m.get("detail") for m in ends]
        arms = {m["arm"]["name"] for m in log.of("decision.validated", "decision.rejected") if not is_shadow(m)}
        assert {"a", "b"} <= arms
        _, found = await shown(url, "shadows", tmp_path)
        decisions = {arm.arm: arm.decisions for arm in found.arms}
        assert decisions["brave"] == decisions["nobody"] == decisions["live"] > 0
        assert {arm.arm: arm.abstain_rate for arm in found.arms}["nobody"] == 1.0
        said = "\n".join(lines(ended, found))
        assert "nobody against live" in said and "abstained 100.0%" in said
        usage = await used(tmp_path, timedelta(days=300), None, None)
        assert usage.requests == sum(len(m["calls"]) for m in log.of("decision.proposed"))
        assert "unknown" not in usage.per_session
