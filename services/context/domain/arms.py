"""Which arm of an experiment decides a context, and which are asked beside it."""

from collections.abc import Iterable

from libs.schemas import ids
from libs.schemas.context import TradingContext
from libs.schemas.experiment import MAX_SHADOWS, AssignedArm, Assignment, Experiment, ExperimentArm


def assign(experiments: Iterable[Experiment], context: TradingContext) -> Assignment:
    """The arms of a context. Nothing is remembered: the same account or cycle gets the same arm on every worker.

    A dry run, and a request that names a model or a strategy itself, take no part. Of several live experiments about
    one account the first by name counts.
    """
    wish = context.request
    if wish.dry_run or wish.model or wish.strategy_override:
        return Assignment()
    running = sorted((one for one in experiments if _takes_part(one, context)), key=lambda one: one.name)
    live = next((_assigned(one, _arm(one, _unit(one, context))) for one in running if one.mode == "live"), None)
    beside = [_assigned(one, arm) for one in running if one.mode == "shadow" for arm in one.arms]
    return Assignment(live=live, shadows=tuple(beside[:MAX_SHADOWS]))


def covering(experiments: Iterable[Experiment], account_id: str) -> tuple[str, ...]:
    """What may change who decides for an account: its running live experiments, by name and version."""
    return tuple(
        sorted(f"{one.name}@{one.version}" for one in experiments if one.mode == "live" and _covers(one, account_id))
    )


def _covers(experiment: Experiment, account_id: str) -> bool:
    return experiment.status == "running" and (experiment.accounts is None or account_id in experiment.accounts)


def _takes_part(experiment: Experiment, context: TradingContext) -> bool:
    if not _covers(experiment, context.account_id):
        return False
    return ids.spread(experiment.name, "share", _unit(experiment, context)) * 100 < experiment.share


def _unit(experiment: Experiment, context: TradingContext) -> str:
    return context.account_id if experiment.split == "account" else context.context_id


def _arm(experiment: Experiment, unit: str) -> ExperimentArm:
    at = ids.spread(experiment.name, "arm", unit) * sum(arm.weight for arm in experiment.arms)
    for arm in experiment.arms:
        at -= arm.weight
        if at < 0:
            return arm
    return experiment.arms[-1]


def _assigned(experiment: Experiment, arm: ExperimentArm) -> AssignedArm:
    return AssignedArm(
        experiment=experiment.name,
        name=arm.name,
        model=arm.model,
        prompt_template=arm.prompt_template,
        params=arm.params,
    )
