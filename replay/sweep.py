"""Many runs over one market: which were tried, and what the best of them is worth where it was not chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from statistics import fmean

from libs.analytics.performance import sharpe
from replay.compare import RunComparison


@dataclass(frozen=True, slots=True)
class SweepTrial:
    """One run of a sweep; `settings` as replay.altering has them."""

    strategy: str | None
    policy: str
    seed: int
    settings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its folder."""
        words = (self.strategy or "accounts", self.policy, f"seed={self.seed}", *self.settings)
        return "_".join("".join(c if c.isalnum() or c in ".=-" else "-" for c in word) for word in words)


@dataclass(frozen=True, slots=True)
class WalkForward:
    """What was chosen by all that came before each split, and what it made in it, in percent."""

    chosen: Sequence[str]
    returns_pct: Sequence[float]
    best_pct: float
    mean_pct: float


def sweep_trials(
    strategies: Sequence[str | None], policies: Sequence[str], seeds: int, varied: Mapping[str, Sequence[str]]
) -> list[SweepTrial]:
    """Each with each; `varied` values by the path of a setting."""
    axes = [[f"{path}={value}" for value in values] for path, values in varied.items()]
    return [
        SweepTrial(strategy, policy, seed, settings)
        for strategy, policy, seed, settings in product(strategies, policies, range(seeds), list(product(*axes)))
    ]


def walk_forward(comparison: RunComparison, splits: int) -> WalkForward | None:
    """In each split but the first, the trial with the best Sharpe ratio of all hours before it is held; `best_pct` and
    `mean_pct` are what the best of all by hindsight, and the mean of all, made in the same hours. None for hours too
    few to be split."""
    hours = len(comparison.accounts[0].returns)
    if splits < 2 or hours < 2 * splits:
        return None
    bounds = [hours * n // splits for n in range(splits + 1)]
    chosen, made = [], []
    for start, end in pairwise(bounds[1:]):
        best = max(comparison.accounts, key=lambda account: sharpe(account.returns[:start]) or 0.0)
        chosen.append(best.name)
        made.append(_grown(best.returns[start:end]))
    whole = [_grown(account.returns[bounds[1] :]) for account in comparison.accounts]
    return WalkForward(chosen, made, max(whole), fmean(whole))


def _grown(returns: Sequence[float]) -> float:
    worth = 1.0
    for step in returns:
        worth *= 1 + step
    return (worth - 1) * 100
