"""Experiments: begun, ended and read, by compare-and-set and with an event like all configuration."""

from collections.abc import Iterable
from datetime import datetime

from libs.configuration.configuration import By, ConfigEntry, ConfigRefusal, Configuration, Refused, parsed
from libs.configuration.strategies import Strategies
from libs.schemas.account import Account
from libs.schemas.experiment import Experiment
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import experiment_key


class Experiments:
    """Refusals are values. Raises Unavailable while NATS is away."""

    def __init__(self, configuration: Configuration, strategies: Strategies) -> None:
        self._configuration, self._strategies = configuration, strategies

    async def all(self) -> list[Experiment]:
        found = await self._configuration.store.present("experiment.")
        bodies = (parsed(Experiment, one.value) for _, one in sorted(found.items()) if one.value is not None)
        return [body for body in bodies if isinstance(body, Experiment)]

    async def get(self, name: str) -> ConfigEntry[Experiment] | Refused:
        return await self._configuration.read(Experiment, experiment_key(name))

    async def start(self, body: Experiment, by: By, now: datetime) -> ConfigEntry[Experiment] | Refused:
        """Begin it at market time `now`. Under the name of one that has ended it is a new version of that one."""
        if wrong := await self._wrong(body):
            return wrong
        begun = body.model_copy(update={"status": "running", "started_at": now, "stopped_at": None})
        key = experiment_key(body.name)
        made = await self._configuration.create(key, begun, by)
        if not (isinstance(made, Refused) and made.why is ConfigRefusal.EXISTS):
            return made

        def again(there: Experiment) -> Experiment | Refused:
            if there.status == "running":
                return Refused(ConfigRefusal.EXISTS, f"experiment {body.name} is running: stop it first")
            return begun.model_copy(update={"version": there.version})

        return await self._configuration.change(Experiment, key, again, by)

    async def stop(self, name: str, by: By, now: datetime) -> ConfigEntry[Experiment] | Refused:
        """From the next context on nobody takes part. Stopped twice, the first time counts."""

        def ended(there: Experiment) -> Experiment:
            return there if there.status == "stopped" else _stopped(there, now)

        return await self._configuration.change(Experiment, experiment_key(name), ended, by)

    async def _wrong(self, body: Experiment) -> Refused | None:
        accounts = [one for one in await self._accounts() if body.accounts is None or one.account_id in body.accounts]
        missing = set(body.accounts or ()) - {one.account_id for one in accounts}
        if missing or not accounts:
            said = f"there is no account {sorted(missing)[0]}" if missing else "there are no accounts"
            return Refused(ConfigRefusal.MISSING, said, "accounts")
        if clash := _clash(body, await self.all()):
            said = f"the live experiment {clash} is about some of the same accounts: stop it, or name other accounts"
            return Refused(ConfigRefusal.IN_USE, said, "accounts")
        return await self._unfit_prompt(body, accounts)

    async def _unfit_prompt(self, body: Experiment, accounts: Iterable[Account]) -> Refused | None:
        """A template has to work with the strategy of every account that it may be used for."""
        templates = {arm.name: arm.prompt_template for arm in body.arms if arm.prompt_template is not None}
        for strategy_id in sorted({account.strategy_id for account in accounts}) if templates else ():
            found = await self._strategies.get(strategy_id)
            if isinstance(found, Refused):
                return found
            for name, template in templates.items():
                if wrong := self._check(found.body, template):
                    said = f"arm {name} with strategy {strategy_id}: {wrong.message}"
                    return Refused(ConfigRefusal.TEMPLATE, said, "arms")
        return None

    def _check(self, strategy: TradingStrategy, template: str) -> Refused | None:
        return next(iter(self._strategies.check(strategy.model_copy(update={"prompt_template": template}))), None)

    async def _accounts(self) -> list[Account]:
        found = await self._configuration.store.present("account.")
        bodies = (parsed(Account, one.value) for one in found.values() if one.value is not None)
        return [body for body in bodies if isinstance(body, Account)]


def _stopped(there: Experiment, now: datetime) -> Experiment:
    return there.model_copy(update={"status": "stopped", "stopped_at": now})


def _clash(body: Experiment, others: Iterable[Experiment]) -> str | None:
    """Another running live experiment about some of the accounts of a live one."""
    if body.mode != "live":
        return None
    for other in others:
        apart = body.accounts is not None and other.accounts is not None and not {*body.accounts} & {*other.accounts}
        if other.name != body.name and other.mode == "live" and other.status == "running" and not apart:
            return other.name
    return None
