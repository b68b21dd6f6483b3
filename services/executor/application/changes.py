"""News of KV on their way from the mirrors, which are made first, to the desks."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """A key of KV config has a new value; None where it was deleted or cannot be read."""

    key: str
    config: object


@dataclass(frozen=True, slots=True)
class ControlChanged:
    """KV `control.all` has a new control."""


Change = ConfigChanged | ControlChanged


class Changes:
    """In the order in which they were heard. Putting never waits."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Change] = asyncio.Queue()

    def configured(self, key: str, config: object) -> None:
        self._waiting.put_nowait(ConfigChanged(key, config))

    def controlled(self) -> None:
        self._waiting.put_nowait(ControlChanged())

    async def take(self) -> Change:
        """The oldest that was not taken yet, as soon as there is one."""
        return await self._waiting.get()
