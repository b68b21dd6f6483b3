"""Many replays at once, in processes of their own, and what the best of them is worth."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import typer

from cli.errors import CliError
from cli.project import shown
from cli.run.replaying import ReplayWishes, replay_quietly
from replay.compare import compare
from replay.report.folder import read_run
from replay.report.side_by_side import comparison_in_words, comparison_page
from replay.sweep import SweepTrial, sweep_trials, walk_forward

PAGE = "sweep.html"


@dataclass(frozen=True, slots=True)
class SweepWishes:
    """What is varied, each with each; `wishes` holds what all runs share."""

    wishes: ReplayWishes
    strategies: Sequence[str | None]
    policies: Sequence[str]
    seeds: int
    varied: Mapping[str, Sequence[str]]
    splits: int


def sweep(wanted: SweepWishes, out: Path, jobs: int) -> None:
    """Runs that are complete are not made again. Raises CliError."""
    trials = sweep_trials(wanted.strategies, wanted.policies, wanted.seeds, wanted.varied)
    if len(trials) < 2:
        raise CliError("a sweep of one run is none", "vary something: --strategies, --seeds, --vary")
    out.mkdir(parents=True, exist_ok=True)
    typer.echo(f"{len(trials)} runs in {jobs} processes", err=True)
    try:
        _all(wanted.wishes, trials, out, jobs)
    except KeyboardInterrupt:
        raise CliError(f"{shown(out)} keeps what is done", "the same command goes on from there", code=130) from None
    _say(wanted, trials, out)


def _all(wishes: ReplayWishes, trials: Sequence[SweepTrial], out: Path, jobs: int) -> None:
    if jobs == 1:
        for n, trial in enumerate(trials, 1):
            _told(n, len(trials), one_trial(wishes, trial, out))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: list[Future[str]] = [pool.submit(one_trial, wishes, trial, out) for trial in trials]
        try:
            for n, ended in enumerate(as_completed(waiting), 1):
                _told(n, len(trials), ended.result())
        finally:  # of an interrupted sweep nothing more is begun
            pool.shutdown(wait=False, cancel_futures=True)


def one_trial(wishes: ReplayWishes, trial: SweepTrial, out: Path) -> str:
    """Its own line. Called in a process of its own."""
    changed = replace(wishes, strategy=trial.strategy, policy=trial.policy, seed=trial.seed, settings=trial.settings)
    summary = replay_quietly(changed, out / trial.name)
    rows = ", ".join(f"{row['account_id']} {row['return_pct']:+.2f} %" for row in summary["accounts"])
    return f"{trial.name}: {rows}"


def _told(n: int, of: int, line: str) -> None:
    typer.echo(f"{n} of {of}  {line}", err=True)


def _say(wanted: SweepWishes, trials: Sequence[SweepTrial], out: Path) -> None:
    comparison = compare([read_run(out / trial.name) for trial in trials])
    for account in comparison.accounts:
        typer.echo(f"{account.name}: {account.row['return_pct']:+.2f} %, {account.row['statistics']['trades']} trades")
    for sentence in list(comparison_in_words(comparison))[len(comparison.accounts) - 1 :]:
        typer.echo(sentence)
    forward = walk_forward(comparison, wanted.splits)
    if forward is not None:
        for name, made in zip(forward.chosen, forward.returns_pct, strict=True):
            typer.echo(f"walking forward: {name} was best before, and made {made:+.2f} %")
        typer.echo(
            f"in the same hours the best by hindsight made {forward.best_pct:+.2f} %, all {forward.mean_pct:+.2f} %"
        )
    (out / PAGE).write_text(comparison_page(comparison), encoding="utf-8")
    typer.echo(f"wrote {shown(out / PAGE)}")
