"""Which models decide: switched and reset by whoever saw what decided before. Refusals are values."""

from dataclasses import dataclass

from libs.configuration.configuration import By, ConfigEntry, ConfigRefusal, Configuration, Refused, parsed, versioned
from libs.runtime.errors import Conflict
from libs.schemas.models import MODELS_KEY, TRIAL_KEY, ModelsConfig, ModelsTrial


@dataclass(frozen=True, slots=True)
class SeenModels:
    """What somebody saw before deciding: the switch that holds, None for none, and the last revision of its key."""

    switched: ModelsConfig | None = None
    revision: int = 0


class ModelSwitch:
    """Raises Unavailable while NATS is away."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def look(self) -> SeenModels:
        """A value that cannot be read counts as none: the next switch replaces it."""
        last = await self._configuration.store.latest(MODELS_KEY)
        if last is None or last.value is None:
            return SeenModels(None, last.revision if last else 0)
        body = parsed(ModelsConfig, last.value)
        return SeenModels(body if isinstance(body, ModelsConfig) else None, last.revision)

    async def switch(self, wanted: ModelsConfig, seen: SeenModels, by: By) -> ConfigEntry[ModelsConfig] | Refused:
        """Nothing is switched where somebody else was first: what was seen does not hold any more."""
        stored = await self._configuration.last_version(MODELS_KEY)
        before = max(stored, seen.switched.version if seen.switched else 0)
        body = versioned(wanted, before + 1)
        try:
            return ConfigEntry(body, await self._configuration.put(MODELS_KEY, body, by, seen.revision))
        except Conflict:
            return await self._contested()

    async def reset(self, seen: SeenModels, by: By) -> Refused | None:
        """Back to those whom nobody switched to."""
        if seen.switched is None or await self._configuration.remove(MODELS_KEY, by, seen.revision):
            return None
        return await self._contested()

    async def try_out(self, wish: ModelsTrial) -> Refused | None:
        """Every decider tries these models; each tells what it found of itself, under the `asked_at` of the wish."""
        last = await self._configuration.store.latest(TRIAL_KEY)
        try:
            await self._configuration.put(
                TRIAL_KEY, wish, By(wish.by, "a trial of models"), last.revision if last else 0
            )
        except Conflict:
            return Refused(ConfigRefusal.CONTESTED, "somebody else tries models at this moment: try again")
        return None

    async def _contested(self) -> Refused:
        now = (await self.look()).switched
        done = f"{now.by} switched to {', '.join(now.chain)} ({now.why})" if now else "somebody reset the models"
        return Refused(ConfigRefusal.CONTESTED, f"{done} at this moment: look at it and decide again")
