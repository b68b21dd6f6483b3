"""Checks of the providers' keys: at start, every ten minutes, told and announced. Nothing waits for them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.schemas import subjects
from services.decider.domain import incidents, routing
from services.decider.domain.authentication import WRONG, Check, KeyVerdict
from services.decider.domain.catalogue import UnknownModel
from services.decider.domain.incidents import Incident
from services.decider.ports import Deps, KeyProof

log = logging.getLogger(__name__)


class KeyChecks:
    """`publish` confirms an alert on the bus, `observe` gets every check."""

    def __init__(
        self,
        deps: Deps,
        keys: KeyProof,
        publish: Callable[[Emit], Awaitable[object]],
        observe: Callable[[Check], None],
    ) -> None:
        self._deps = deps
        self._keys = keys
        self._publish = publish
        self._observe = observe

    async def run(self, every_s: float) -> None:
        while True:
            await self.check()
            await asyncio.sleep(every_s)

    async def check(self) -> list[Check]:
        """Each provider of the models that decide where nobody says otherwise."""
        found = [await self._one(provider, models) for provider, models in self._needed().items()]
        for check in found:
            self._observe(check)
            await self._tell(check)
        return found

    def _needed(self) -> dict[str, list[str]]:
        switched = self._deps.accounts.models
        names = switched.chain if switched else routing.names(self._deps.default_model)
        chain = routing.entries(self._deps.catalogue, names)
        needed: dict[str, list[str]] = {}
        for entry in () if isinstance(chain, UnknownModel) else chain:
            needed.setdefault(entry.provider, []).append(entry.id)
        return needed

    async def _one(self, provider: str, models: list[str]) -> Check:
        return await self._keys.validate_authentication(provider, models, self._deps.clock.wall())

    async def _tell(self, check: Check) -> None:
        key = incidents.key_of("auth", check.provider)
        if check.verdict in WRONG:
            log.error("%s", check.line())
            if since := await self._deps.incidents.begin(key, check.at):
                await self._announce(Incident(key, "auth", check.line()), since, check)
        elif check.verdict is KeyVerdict.VALID:
            await self._deps.incidents.end(key)
        else:
            log.warning("%s", check.line())

    async def _announce(self, incident: Incident, since: datetime, check: Check) -> None:
        raised = Emit(subjects.alert_raised(None), incidents.alert(incident, since, check.at))
        try:
            await self._publish(raised)
        except Unavailable:
            await self._deps.incidents.end(incident.key)  # so that the next check announces it
            log.warning("the alert on %s waits for NATS", incident.key)
