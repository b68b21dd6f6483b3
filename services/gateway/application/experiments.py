"""Experiments: begun, looked at, ended. What they found is told elsewhere."""

from pydantic import TypeAdapter

from libs.configuration.configuration import ConfigEntry, ConfigRefusal, Refused, given
from libs.records.keys import ApiKey
from libs.schemas.experiment import Experiment
from services.gateway.application.changes import by, granted
from services.gateway.application.claiming import Use, once
from services.gateway.domain.experiments import ExperimentEnd, ExperimentList, NewExperimentBody
from services.gateway.domain.problems import invalid, not_found
from services.gateway.ports import Deps

_ENDED: TypeAdapter[Experiment] = TypeAdapter(Experiment)
_BEGUN: TypeAdapter[ConfigEntry[Experiment]] = TypeAdapter(ConfigEntry[Experiment])


async def listed(deps: Deps, key: ApiKey) -> ExperimentList:
    """Running and ended ones whose accounts the key sees, by name."""
    return ExperimentList(items=[one for one in await deps.desk.experiments.all() if _sees(key, one)])


async def seen_experiment(deps: Deps, key: ApiKey, name: str) -> Experiment:
    """Refuses one that is about accounts that the key does not see; to the caller it is not there."""
    stored = await deps.desk.experiments.get(name)
    if isinstance(stored, Refused) and stored.why is not ConfigRefusal.MISSING:
        granted(stored)
    if isinstance(stored, Refused) or not _sees(key, stored.body):
        raise not_found(f"experiment {name[:32]}")
    return stored.body


async def begun(
    deps: Deps, key: ApiKey, body: NewExperimentBody, idempotency_key: str | None
) -> ConfigEntry[Experiment]:
    """It holds from the next context on, for all workers, until it is stopped."""
    wanted = granted(given(Experiment, body.experiment), "experiment")
    if not _sees(key, wanted):
        raise invalid("body.experiment.accounts", "name accounts that this key sees")

    async def begin() -> ConfigEntry[Experiment]:
        return granted(await deps.desk.experiments.start(wanted, by(key, body.reason), deps.clock.now()), "experiment")

    return await once(deps, Use(key, idempotency_key, f"experiment:{body.model_dump_json()}"), _BEGUN, begin)


async def ended(deps: Deps, key: ApiKey, name: str, body: ExperimentEnd, idempotency_key: str | None) -> Experiment:
    """From the next context on nobody takes part. Stopped twice, the first time counts."""
    await seen_experiment(deps, key, name)

    async def end() -> Experiment:
        return granted(await deps.desk.experiments.stop(name, by(key, body.reason), deps.clock.now())).body

    return await once(deps, Use(key, idempotency_key, f"stop:{name}:{body.model_dump_json()}"), _ENDED, end)


def _sees(key: ApiKey, experiment: Experiment) -> bool:
    """An experiment about all accounts is for keys of all accounts."""
    return key.covers(None if experiment.accounts is None else frozenset(experiment.accounts))
