"""Which language models configuration names: the way to them is loaded before a decision waits for it."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from libs.schemas.account import Account
from libs.schemas.experiment import Experiment
from libs.schemas.kinds import ConfigValue
from libs.schemas.models import ModelsConfig
from libs.schemas.strategy import TradingStrategy
from services.decider.domain import routing
from services.decider.domain.catalogue import Catalogue, UnknownModel


class Loadable(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class NeededModels:
    """Starts `models` with the worker where anybody names a language model, else once somebody does. It hears of each
    value of the configuration, at the start too, so it starts after what tells it."""

    def __init__(self, catalogue: Catalogue, default: str, models: Loadable) -> None:
        self._catalogue = catalogue
        self._models = models
        self._named = asyncio.Event()
        self._hear(default)

    def heard(self, key: str, value: ConfigValue | None) -> None:
        for text in _models_in(value):
            self._hear(text)

    def _hear(self, text: str | None) -> None:
        entries = map(self._catalogue.find, routing.names(text or ""))
        if any(not isinstance(entry, UnknownModel) and not entry.is_rule for entry in entries):
            self._named.set()

    async def start(self) -> None:
        if self._named.is_set():
            await self._models.start()

    async def stop(self) -> None:
        await self._models.stop()

    async def run(self) -> None:
        await self._named.wait()
        await self._models.start()


def _models_in(value: ConfigValue | None) -> Iterable[str | None]:
    match value:
        case Account() | TradingStrategy():
            return (value.model,)
        case Experiment():
            return (arm.model for arm in value.arms)
        case ModelsConfig():
            return value.chain
    return ()
