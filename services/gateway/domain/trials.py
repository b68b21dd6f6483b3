"""Models tried by the deciders, as they tell it: each with its own keys, catalogue and way to the models."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from libs.schemas.worker import WorkerTold
from services.gateway.domain.models import BAD_KEYS, KeyCheck, KeyCheckList, ToldModels
from services.gateway.domain.problems import Refusal, RequestRefused

TRIAL = "trial"  # section of what a decider tells


@dataclass(frozen=True, slots=True)
class ToldTrial:
    """What one decider found the last time that somebody let it try models; `asked_at` None: it never did.

    `refusals` are why models cannot decide, a line for each; `checks` those of the keys.
    """

    instance: str
    asked_at: datetime | None = None
    refusals: tuple[str, ...] = ()
    checks: tuple[KeyCheck, ...] = ()


def told_trials(workers: Iterable[WorkerTold]) -> list[ToldTrial]:
    """Of every decider that there is."""
    return [_trial(worker.instance, worker.details.get(TRIAL)) for worker in workers if worker.service == "decider"]


def _trial(instance: str, told: Mapping[str, Any] | None) -> ToldTrial:
    if told is None:
        return ToldTrial(instance)
    checks = tuple(KeyCheck.model_validate(check | {"decider": instance}) for check in told["checks"])
    return ToldTrial(instance, datetime.fromisoformat(told["asked_at"]), tuple(told["refusals"]), checks)


def each_provider(told: Sequence[ToldModels]) -> tuple[str, ...]:
    """One model of each provider, which every decider knows; a check of keys calls none, so that any name does."""
    entries = told[0].entries
    names = {str(entry["provider"]): name.replace("*", "any") for name, entry in entries.items()}
    return tuple(name for name in names.values() if all(one.knows(name) for one in told))


def refusal_of_trial(trials: Sequence[ToldTrial]) -> Refusal | None:
    """Why nothing is switched: a decider that cannot use one of the models is one too many."""
    refusing = next((trial for trial in trials if trial.refusals), None)
    if refusing is None:
        return None
    bad_key = any(check.verdict in BAD_KEYS for check in refusing.checks)
    slug = "model-without-key" if bad_key else "model-without-answer"
    said = f"nothing was switched: {refusing.instance}: {'; '.join(refusing.refusals)}"
    return Refusal(HTTPStatus.CONFLICT, slug, said[:500])


def checked_keys(trials: Iterable[ToldTrial], told: Iterable[ToldModels]) -> KeyCheckList:
    """Each check with all models of the catalogue that need its key."""
    entries = {one.instance: one.entries for one in told}
    items = [
        check.model_copy(update={"models": _of_provider(entries.get(trial.instance, {}), check.provider)})
        for trial in trials
        for check in trial.checks
    ]
    return KeyCheckList(valid=all(item.verdict not in BAD_KEYS for item in items) if items else None, items=items)


def _of_provider(entries: Mapping[str, Mapping[str, Any]], provider: str) -> list[str]:
    return [name for name, entry in entries.items() if entry.get("provider") == provider]


def not_ended(waited_s: float) -> RequestRefused:
    detail = f"nothing was switched: the deciders did not end their trial within {waited_s:g} s; GET /models/health"
    return RequestRefused(
        Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "trial-not-ended", detail, headers={"Retry-After": "5"})
    )
