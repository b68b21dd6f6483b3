"""Models are tried by the deciders: their keys are checked, and each is asked something before it is given the say."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from libs.records.keys import ApiKey
from libs.schemas.models import ModelsTrial
from services.gateway.application.changes import granted, refused_as_contested
from services.gateway.domain.trials import ToldTrial, not_ended, told_trials
from services.gateway.ports import Deps

LOOK_S = 0.05
MODEL_S = 45.0  # for a model's check and its small call, which end by themselves before


def patience(chain: Sequence[str]) -> timedelta:
    return timedelta(seconds=MODEL_S * max(1, len(chain)))


async def tried(deps: Deps, key: ApiKey, chain: tuple[str, ...], *, calls: bool) -> list[ToldTrial]:
    """What each decider found. RequestRefused where one does not end it, or where somebody else tries models too."""
    wish = ModelsTrial(chain=chain, calls=calls, asked_at=deps.clock.wall(), by=key.signature)
    limit_s = patience(chain).total_seconds()
    until = deps.clock.monotonic() + limit_s
    granted(await deps.desk.models.try_out(wish))
    while True:
        trials = told_trials(deps.told.workers())
        if trials and all(trial.asked_at == wish.asked_at for trial in trials):
            return trials
        if any(trial.asked_at is not None and trial.asked_at > wish.asked_at for trial in trials):
            raise refused_as_contested("somebody else tried models at this moment: try again")
        if deps.clock.monotonic() >= until:
            raise not_ended(limit_s)
        await asyncio.sleep(LOOK_S)
