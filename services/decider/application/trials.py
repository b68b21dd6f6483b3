"""Trials that people ask for: with this process's own keys, catalogue and way to the models."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from libs.schemas.kinds import ConfigValue
from libs.schemas.models import ModelsTrial
from services.decider.application.trial import trial
from services.decider.domain import routing
from services.decider.domain.catalogue import Catalogue, UnknownModel
from services.decider.domain.health import told
from services.decider.ports import KeyProof, Models

YOUNG = timedelta(seconds=60)  # an older wish is of before this process began
log = logging.getLogger(__name__)


class Trials:
    """One at a time, the newest wish; `wall` is wall time. What came of the last one is `detail`; `ended` is called
    when there is another one."""

    def __init__(
        self,
        catalogue: Catalogue,
        models: Models,
        keys: KeyProof,
        wall: Callable[[], datetime],
        ended: Callable[[], None],
    ) -> None:
        self._catalogue = catalogue
        self._models = models
        self._keys = keys
        self._wall = wall
        self._ended = ended
        self._wished: ModelsTrial | None = None
        self._wake = asyncio.Event()
        self._last: dict[str, Any] | None = None

    def heard(self, key: str, value: ConfigValue | None) -> None:
        if isinstance(value, ModelsTrial) and abs(self._wall() - value.asked_at) <= YOUNG:
            self._wished = value
            self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._wished is not None:
                self._last = await self._tried(self._wished)
                self._ended()

    def detail(self) -> dict[str, Any] | None:
        return self._last

    async def _tried(self, wish: ModelsTrial) -> dict[str, Any]:
        chain = routing.entries(self._catalogue, wish.chain)
        found: dict[str, Any] = {"asked_at": wish.asked_at.isoformat(), "refusals": [], "checks": []}
        if isinstance(chain, UnknownModel):
            return found | {"refusals": [str(chain)]}
        tried = await trial(self._models, self._keys, chain, self._wall(), calls=wish.calls)
        log.info("tried %s for %s", ", ".join(wish.chain), wish.by)
        checks = {each.check.provider: told(each.check) for each in tried}
        return found | {"refusals": [each.refusal for each in tried if each.refusal], "checks": [*checks.values()]}
